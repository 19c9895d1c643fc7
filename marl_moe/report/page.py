"""The page: its sections assembled in one HTML file, which loads nothing when it is viewed."""

import html
from collections.abc import Callable, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import NamedTuple

from marl_moe.errors import MissingExtraError, SpecError
from marl_moe.extras import PAGES, installed
from marl_moe.report import comparison, market, overview, training
from marl_moe.report.player.section import ID as PLAYER
from marl_moe.report.player.section import player_section
from marl_moe.report.reported import Reported, read_runs
from marl_moe.report.section import Section
from marl_moe.whole_file import check_new, write_text

TEMPLATE = files("marl_moe.report") / "template"
# JavaScript of all sections, before that of each.
SHARED = ("page", "tables", "charts", "legend", "numbers", "controls")
REPORT = "report.html"  # of a run, in its folder


class Played(NamedTuple):
    """The episodes that the page plays.

    Attributes:
        point: label of the sweep point; None: the first.
        seed: the seed; None: the first.
        episodes: how many, from the first.
    """

    point: str | None = None
    seed: int | None = None
    episodes: int = 1


FIRST = Played()
Step = Callable[[str], None]  # is told what is done next


def write_report(
    paths: Sequence[Path],
    out: Path | None = None,
    *,
    played: Played = FIRST,
    trust: bool = False,
    on_step: Step = lambda told: None,
) -> Path:
    """Write the page of runs, whole or not at all, and return its file.

    Args:
        paths: the run folders.
        out: the file; None: `report.html` in the folder of the one run.
        played: the episodes of the first run that it plays.
        trust: whether to import code that comes from elsewhere, or was changed.
        on_step: is told what is done next.

    Raises:
        SpecError: one is no run that can be read, the file exists and is not the run's own, its
            folder does not, or there are no such episodes.
        MissingExtraError: Plotly is not installed.
        RecordError: a table or `environment.json` is damaged.
        OSError: the file cannot be written; the earlier one stays.
    """
    own = [path / REPORT for path in paths]
    if out is None and len(set(paths)) != 1:
        raise SpecError("--out: there are several runs: name the file")
    out = out or own[0]
    if out.resolve() not in {path.resolve() for path in own}:
        check_new(out)
    drawing = plotly()
    on_step("reading records")
    runs = read_runs(paths, trust=trust)
    sections = [
        overview.section(runs),
        training.section(runs),
        market.section(runs),
        _episode(runs[0], played, on_step),
        comparison.section(runs),
    ]
    write_text(out, assembled(sections, runs, drawing))
    return out


def _episode(run: Reported, played: Played, on_step: Step) -> Section:
    """Return the section that plays an episode of a run."""
    found = player_section(
        run.run, **played._asdict(), on_policy=lambda name: on_step(f"an episode of {name}")
    )
    return Section(PLAYER, "Episode", found if isinstance(found, str) else found.data)


def assembled(sections: Sequence[Section], runs: Sequence[Reported], drawing: str) -> str:
    """Return the page.

    Args:
        sections: its tabs, in order.
        runs: named in its title.
        drawing: Plotly's bundle.
    """
    names = [*SHARED, *(each.id for each in sections)]
    page = Template((TEMPLATE / "page.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=html.escape(", ".join(run.name for run in runs)),
        style=_of_files(names, ".css"),
        tabs="\n".join(_tab(section) for section in sections),
        panels="\n".join(_panel(section) for section in sections),
        data="\n".join(section.script() for section in sections),
        plotly=drawing,
        code=_of_files(names, ".js"),
    )


def _of_files(names: Sequence[str], suffix: str) -> str:
    """Return the text of the template's files whose names begin so, in this order."""
    found = sorted(file.name for file in TEMPLATE.iterdir() if file.name.endswith(suffix))
    chosen = [file for name in names for file in found if file.startswith(name)]
    return "\n".join((TEMPLATE / file).read_text(encoding="utf-8") for file in chosen)


def _tab(section: Section) -> str:
    return (
        f'<button role="tab" type="button" id="tab-{section.id}" '
        f'aria-controls="{section.id}" aria-selected="false" tabindex="-1">'
        f"{html.escape(section.title)}</button>"
    )


def _panel(section: Section) -> str:
    return (
        f'<section role="tabpanel" id="{section.id}" aria-labelledby="tab-{section.id}" '
        f'data-title="{html.escape(section.title)}" hidden></section>'
    )


def plotly() -> str:
    """Return Plotly's bundle, without importing the package around it.

    Raises:
        MissingExtraError: it is not installed.
    """
    spec = find_spec("plotly") if installed(*PAGES) else None
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("a report needs Plotly: pip install 'marl-moe[train]'")
    bundle = Path(spec.submodule_search_locations[0], "package_data", "plotly.min.js")
    # It stands in an element that runs nothing until the first chart is drawn.
    return bundle.read_text(encoding="utf-8").replace("</script", "<\\/script")
