"""Tables of policies as text that is typeset: LaTeX with booktabs, and Markdown."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from paper_figures.letters import visible
from paper_figures.policy_table import YARDSTICKS, Cell, PolicyTable
from paper_figures.statistics import interval_text, mean_heading

MOST_LINES = 36  # of a LaTeX table, which cannot be longer than its page
NO_VALUE = "-"  # as `interval_text` says it
LABEL = re.compile(r"[A-Za-z0-9:._+/-]+")  # of LaTeX's \label
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        "\N{MINUS SIGN}": "$-$",
        "\N{PLUS-MINUS SIGN}": r"$\pm$",
        "\N{MULTIPLICATION SIGN}": r"$\times$",
        "\N{NO-BREAK SPACE}": "~",
        **{letter: rf"\{letter}" for letter in "&%$#_{}"},
    }
)
_MARKDOWN = str.maketrans({letter: rf"\{letter}" for letter in r"\`*_[]<>|~&#$"})
_LIGATURE = re.compile("-(?=-)")  # LaTeX makes a dash of two hyphens
Points = Mapping[str, Mapping[str, Sequence[Cell]]]


def caption(table: PolicyTable, title: str, plus_minus: bool) -> str:
    """Return the caption of a table: its title, what its numbers are, and what is bold.

    Args:
        table: the table.
        title: the first sentence.
        plus_minus: whether cells are means with half of their interval.
    """
    heading = mean_heading(table.intervals)
    if plus_minus:
        heading = re.sub(r"^mean \[(.*?)\]", r"mean ± half of the \1", heading)
    fewest, most = table.episodes
    episodes = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    unit = "episode" if most == 1 else "episodes"
    sentences = [
        title if title[-1:] in (".", "!", "?") else f"{title}.",
        f"{heading[0].upper()}{heading[1:]}; {episodes} {unit} a policy and seed.",
    ]
    if table.marks:
        bold = "the best of a column" + (" and sweep point" if len(table.points) > 1 else "")
        if "interval," in heading:
            bold += (
                ", and each whose difference to it, paired by seed, has a 95% interval that "
                "contains 0"
            )
        here = [name for name in YARDSTICKS if any(name in rows for rows in table.points.values())]
        sentences.append(f"Bold: {bold}{f'; not {_listed(here)}' if here else ''}.")
    return " ".join(sentences)


def latex(table: PolicyTable, title: str, label: str, plus_minus: bool = False) -> str:
    r"""Return a table as LaTeX, which `\usepackage{booktabs}` sets.

    What is longer than a page is several tables, each of whole sweep points.

    Args:
        table: the table.
        title: begins the caption; plain text, as everything here.
        label: of `\label`.
        plus_minus: whether cells are `1.234 ± 0.034` in place of `1.234 [1.200, 1.268]`.

    Raises:
        ValueError: the label can be none.
    """
    if not LABEL.fullmatch(label):
        raise ValueError(f"label {label!r}: should be of letters, digits and : . _ + / -")
    said, parts = _latex(caption(table, title, plus_minus)), _parts(table.points)
    lines = [r"% \usepackage{booktabs}"]
    for number, points in enumerate(parts, 1):
        part = f" Part {number} of {len(parts)}." if len(parts) > 1 else ""
        lines += [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{said}{part}}}",
            rf"  \label{{{label}{f'-{number}' if number > 1 else ''}}}",
            rf"  \begin{{tabular}}{{l{'r' * len(table.headings)}}}",
            r"    \toprule",
            *(f"    {line}" for line in _latex_rows(table, points, plus_minus)),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


def markdown(table: PolicyTable, title: str, plus_minus: bool = False) -> str:
    """Return a table as Markdown, one for each sweep point.

    Args:
        table: the table.
        title: begins the caption.
        plus_minus: see `latex`.
    """
    blocks = [_markdown(caption(table, title, plus_minus))]
    heads = ["policy", *(_markdown(heading.text) for heading in table.headings)]
    for point, policies in table.points.items():
        if point:
            blocks.append(f"{_markdown(point)}:")
        rows = [
            [_markdown(policy), *_cells(cells, plus_minus, "**{}**".format)]
            for policy, cells in policies.items()
        ]
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        rules = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
        blocks.append("\n".join(_line(row, widths) for row in (heads, rules, *rows)))
    return "\n\n".join(blocks) + "\n"


def _parts(points: Points) -> list[Points]:
    """Return sweep points by the LaTeX table that they stand in."""
    parts: list[dict[str, Mapping[str, Sequence[Cell]]]] = [{}]
    lines = 0
    for point, policies in points.items():
        if parts[-1] and lines + len(policies) + 1 > MOST_LINES:
            parts.append({})
            lines = 0
        parts[-1][point] = policies
        lines += len(policies) + 1
    return list(parts)


def _latex_rows(table: PolicyTable, points: Points, plus_minus: bool) -> Iterator[str]:
    """Yield the lines of a LaTeX table between its first and its last rule."""
    yield _latex_row(["policy", *(_latex(heading.words) for heading in table.headings)])
    units = [f"({_latex(heading.unit)})" if heading.unit else "" for heading in table.headings]
    if any(units):
        yield _latex_row(["", *units])
    for point, policies in points.items():
        yield r"\midrule"
        if point:
            yield rf"\multicolumn{{{len(units) + 1}}}{{l}}{{{_latex(point)}}} \\"
        for policy, row in policies.items():
            cells = _cells(row, plus_minus, r"\textbf{{{}}}".format)
            numbers = [
                cell.replace("-", "$-$").replace("±", r"$\pm$") if cell != NO_VALUE else "--"
                for cell in cells
            ]
            yield _latex_row([_latex(policy), *numbers])


def _latex_row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Return a row of a Markdown table: names to the left, numbers to the right."""
    name, *numbers = row
    padded = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
    return f"| {' | '.join([name.ljust(widths[0]), *padded])} |"


def _cells(cells: Sequence[Cell], plus_minus: bool, bold: Callable[[str], str]) -> list[str]:
    texts = [_text(cell, plus_minus) for cell in cells]
    return [bold(text) if cell.is_best else text for text, cell in zip(texts, cells, strict=True)]


def _text(cell: Cell, plus_minus: bool) -> str:
    if plus_minus and cell.low == cell.low:
        return f"{cell.mean:.3f} ± {cell.high - cell.mean:.3f}"
    return interval_text(cell.mean, cell.low, cell.high)


def _latex(text: str) -> str:
    """Return a text that LaTeX sets as it is."""
    escaped = _LIGATURE.sub("-{}", visible(text).translate(_LATEX))
    return f"{{}}{escaped}" if escaped[:1] in ("[", "*") else escaped  # as a line break reads them


def _markdown(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return visible(text).translate(_MARKDOWN)


def _listed(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
