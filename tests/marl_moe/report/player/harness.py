"""A page with nothing but the player on it, as the report has it."""

import json
from importlib.resources import files
from typing import Any

TEMPLATE = files("marl_moe.report") / "template"
PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>player</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<style>
:root {{ --bg: #fff; --fg: #1f2328; --muted: #59636e; --accent: #0b5a77; --line: #d1d9e0;
 color-scheme: light dark; }}
@media (prefers-color-scheme: dark) {{ :root {{ --bg: #161b22; --fg: #e6edf3; --muted: #9aa5b1;
 --accent: #6cc4e0; --line: #3a434e; }} }}
body {{ background: var(--bg); color: var(--fg); font: 15px/1.5 sans-serif; margin: 1rem; }}
{style}
</style><main><div id="player"></div></main>
<script type="application/json" id="data-player">{data}</script>
<script>
"use strict";
const drawn = {{}};
function register(id, draw) {{ drawn[id] = draw; }}
{code}
drawn.player(document.getElementById("player"),
  JSON.parse(document.getElementById("data-player").textContent),
  {{ remember(id, address) {{ history.replaceState(null, "", `#${{address}}`); }} }});
</script></html>
"""


def page_of(data: Any) -> str:
    """Return the page of a section's data."""
    scripts = sorted(file.name for file in TEMPLATE.iterdir() if file.name.startswith("player"))
    code = "\n".join(
        (TEMPLATE / name).read_text(encoding="utf-8") for name in scripts if name.endswith(".js")
    )
    style = (TEMPLATE / "player.css").read_text(encoding="utf-8")
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return PAGE.format(style=style, code=code, data=text)
