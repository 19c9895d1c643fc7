"""Equations in LaTeX between dollars, made MathML when a page is built; it needs no script."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

# What pymdownx.arithmatex leaves: \( ... \) in a span, \[ ... \] in a div.
_EQUATION = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)


def on_page_content(content: str, **_: Any) -> str:
    """Replace each equation of a page.

    Raises:
        Exception: an equation cannot be read; a note names it.
        ValueError: an equation holds a command that latex2mathml does not know.
    """
    return _EQUATION.sub(_mathml, content)


def _mathml(found: re.Match[str]) -> str:
    tag, latex = found["tag"], html.unescape(found["latex"]).strip()
    # Pages are read on GitHub too, where the environment within an equation is called aligned;
    # latex2mathml has align* alone.
    try:
        mathml = convert(
            latex.replace("{aligned}", "{align*}"), display="block" if tag == "div" else "inline"
        )
    except Exception as error:
        error.add_note(f"in the equation {latex!r}")
        raise
    unknown = re.search(r">(\\[A-Za-z]+)<", mathml)
    if unknown:
        raise ValueError(f"latex2mathml does not know {unknown[1]} in the equation {latex!r}")
    # "is drawn from" is a relation, not an identifier
    mathml = mathml.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")
    return f'<{tag} class="arithmatex">{mathml}</{tag}>'
