"""LaTeX and Markdown of a table of policies are whole, escaped, and say what they show."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paper_figures.headings import HEADINGS, Heading
from paper_figures.policy_table import Cell, PolicyTable, policy_table
from paper_figures.typeset import MOST_LINES, latex, markdown

Tables = dict[str, pd.DataFrame]
HOSTILE = [
    r"a_b & 50 % of $x$ #1 {y} \input{z} ~ ^ < > | ` \" ' --- -",
    "[4] starts as an option of the line break does",
    "* starts as its star",
    "\N{MINUS SIGN}1 \N{PLUS-MINUS SIGN} 2 \N{MULTIPLICATION SIGN} 3\N{NO-BREAK SPACE}4",
    "new\nline, \x1b[31mred\x1b[0m",
    r"\\",
    "{",
    "}",
    "|",
]


@pytest.fixture(scope="module")
def table(make_contention: Callable[..., Tables]) -> PolicyTable:
    metrics = {name: HEADINGS[name] for name in ("utility", "gain", "share_of_equilibrium")}
    return policy_table(make_contention(episodes=4), metrics)


@pytest.fixture(scope="module")
def hostile() -> PolicyTable:
    cell = Cell(-1.25, -1.5, -1.0, True)
    points = {f"env.x={name}": {name: [cell, cell] for name in HOSTILE} for name in HOSTILE[:2]}
    headings = (Heading(HOSTILE[0], HOSTILE[0]), Heading(HOSTILE[0]))
    return PolicyTable(headings, points, "95% interval, 3 seeds", (4, 4))


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of each row of a LaTeX table, read as TeX reads them.

    A comment ends its line, an escaped letter is none of TeX's, and "&" ends a cell where all
    braces are closed.
    """
    rows, cells, cell, depth = [], [], "", 0
    text = re.sub(r"(?<!\\)%.*", "", text)
    at = 0
    while at < len(text):
        token = text[at : at + 2] if text[at] == "\\" else text[at]
        at += len(token)
        if token == r"\\" and depth == 0:
            rows.append([*cells, cell.strip()])
            cells, cell = [], ""
            continue
        depth += {"{": 1, "}": -1}.get(token, 0)
        assert depth >= 0
        if token == "&" and depth == 0:
            cells.append(cell.strip())
            cell = ""
        else:
            cell += token
    assert depth == 0
    assert not cell.strip()
    return rows


def bodies(text: str) -> list[tuple[int, list[list[str]]]]:
    """Return the number of columns and the rows of each tabular of a text of whole environments."""
    open_ones = []
    for what, name in re.findall(r"\\(begin|end)\{([a-z]+)\}", text):
        if what == "begin":
            open_ones.append(name)
        else:
            assert open_ones.pop() == name
    assert not open_ones
    found = []
    pattern = r"\\begin\{tabular\}\{(l r*|lr*)\}\n\s*\\toprule\n(.*?)\s*\\bottomrule\n"
    for columns, body in re.findall(pattern, text, re.DOTALL):
        found.append((len(columns), rows_of(body.replace("\\midrule", ""))))
    return found


def width(row: list[str]) -> int:
    spans = [re.match(r"\\multicolumn\{(\d+)\}", cell) for cell in row]
    return sum(int(span[1]) if span else 1 for span in spans)


@pytest.mark.parametrize("plus_minus", [False, True])
def test_latex_has_whole_environments_and_rows_of_one_width(
    table: PolicyTable, hostile: PolicyTable, plus_minus: bool
) -> None:
    for each in (table, hostile):
        text = latex(each, "a title", "tab:a", plus_minus)
        assert text.endswith("\\end{table}\n")
        tabulars = bodies(text)
        assert len(tabulars) == text.count(r"\begin{table}")
        for columns, rows in tabulars:
            assert columns == 1 + len(each.headings)
            assert {width(row) for row in rows} == {columns}
        shown = sum(len(rows) for _, rows in tabulars)
        heads = 2 * len(tabulars)
        assert shown == heads + sum(1 + len(policies) for policies in each.points.values())


def test_latex_longer_than_a_page_is_several_tables_of_whole_points(table: PolicyTable) -> None:
    text = latex(table, "contention", "tab:c")
    parts = bodies(text)
    assert len(parts) == 3  # 6 points of 13 lines
    assert all(len(rows) - 2 <= MOST_LINES for _, rows in parts)
    assert re.findall(r"\\label\{(.*)\}", text) == ["tab:c", "tab:c-2", "tab:c-3"]
    assert all(f"Part {number} of 3." in text for number in (1, 2, 3))
    points = re.findall(r"\\multicolumn\{4\}\{l\}\{(.*)\}", text)
    assert points == [rf"env.num\_users={n}" for n in (1, 2, 4, 8, 16, 32)]
    one = PolicyTable(table.headings, {"": table.points["env.num_users=2"]}, "", (4, 4))
    assert "Part" not in latex(one, "contention", "tab:c")


def test_units_stand_in_the_head(table: PolicyTable) -> None:
    (_, rows), *_ = bodies(latex(table, "t", "tab:t"))
    assert rows[0] == ["policy", "utility a request", "gain a slot and user", "of equilibrium"]
    assert rows[1] == ["", "(credits)", "(credits)", ""]
    assert "utility a request, credits" in markdown(table, "t")


@pytest.mark.parametrize("plus_minus", [False, True])
def test_numbers_and_bold_are_those_of_the_table(table: PolicyTable, plus_minus: bool) -> None:
    shown = {}
    for _, rows in bodies(latex(table, "t", "tab:t", plus_minus)):
        for row in rows[2:]:
            if len(row) == 1:
                point = row[0].split("{")[-1].rstrip("}").replace("\\_", "_")
                continue
            name = row[0].replace("\\_", "_")
            shown[point, name] = [cell.replace("$-$", "-") for cell in row[1:]]
    assert len(shown) == sum(map(len, table.points.values()))
    for (point, policy), cells in shown.items():
        for cell, text in zip(table.points[point][policy], cells, strict=True):
            wanted = f"{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]"
            if plus_minus:
                wanted = rf"{cell.mean:.3f} $\pm$ {cell.high - cell.mean:.3f}"
            assert text == (rf"\textbf{{{wanted}}}" if cell.is_best else wanted)


def test_markdown_is_a_table_a_point_with_the_same_numbers(table: PolicyTable) -> None:
    text = markdown(table, "contention")
    blocks = text.rstrip("\n").split("\n\n")
    assert text.endswith("|\n")
    assert len(blocks) == 1 + 2 * len(table.points)
    for point, block in zip(blocks[1::2], blocks[2::2], strict=True):
        policies = table.points[point.rstrip(":").replace("\\", "")]
        heads, rules, *rows = (line.strip("|").split("|") for line in block.splitlines())
        assert len(heads) == len(rules) == 4
        assert len(rows) == len(policies)
        for row, (policy, cells) in zip(rows, policies.items(), strict=True):
            name, *texts = (cell.strip() for cell in row)
            assert name.replace("\\", "") == policy
            for cell, shown in zip(cells, texts, strict=True):
                wanted = f"{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]"
                assert shown == (f"**{wanted}**" if cell.is_best else wanted)


def test_names_of_any_letters_are_escaped_in_latex(hostile: PolicyTable) -> None:
    text = latex(hostile, HOSTILE[0], "tab:x")
    assert r"a\_b \& 50 \% of \$x\$ \#1 \{y\} \textbackslash{}input\{z\}" in text
    assert r"\textasciitilde{} \textasciicircum{} \textless{} \textgreater{} \textbar{}" in text
    assert r"-{}-{}- -" in text
    assert r"$-$1 $\pm$ 2 $\times$ 3~4" in text
    assert r"new\textbackslash{}nline, \textbackslash{}x1b[31mred" in text
    assert r"\textbf{$-$1.250 [$-$1.500, $-$1.000]}" in text
    assert not re.search(r"(\\\\|rule)\s*[\[*]", text)
    assert text.isascii()


def test_names_of_any_letters_are_escaped_in_markdown(hostile: PolicyTable) -> None:
    for line in markdown(hostile, "t").splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4, line
    assert r"a\_b \& 50 % of \$x\$ \#1 {y} \\input{z} \~ ^ \< \> \| \`" in markdown(hostile, "t")


def captions(table: PolicyTable, title: str = "t", plus_minus: bool = False) -> list[str]:
    """Return the caption in both formats, unescaped."""
    (said,) = re.findall(r"\\caption\{(.*)\}", latex(table, title, "tab:t", plus_minus))[:1]
    first = markdown(table, title, plus_minus).split("\n\n")[0]
    texts = [re.sub(r"\\([%#&$_\[\]*~])", r"\1", text) for text in (said, first)]
    return [text.replace(r"$\pm$", "±").partition(" Part ")[0] for text in texts]


def test_a_caption_says_what_the_numbers_are_and_what_is_bold(table: PolicyTable) -> None:
    bold = (
        "Bold: the best of a column and sweep point, and each whose difference to it, paired by "
        "seed, has a 95% interval that contains 0; not nash, optimum or local."
    )
    for said in captions(table, "Contention"):
        assert said == (
            f"Contention. Mean [95% interval, 3 seeds]; 4 episodes a policy and seed. {bold}"
        )
    for said in captions(table, "Is it so?", plus_minus=True):
        assert said.startswith("Is it so? Mean ± half of the 95% interval, 3 seeds; 4 episodes")


def test_one_seed_has_no_interval_and_the_captions_say_so(
    make_contention: Callable[..., Tables],
) -> None:
    table = policy_table(make_contention(seeds=1, episodes=1), {"gain": HEADINGS["gain"]})
    for plus_minus in (False, True):
        for said in captions(table, plus_minus=plus_minus):
            assert said.startswith("t. Mean; one seed: no interval; 1 episode a policy and seed.")
            assert "95%" not in said
        assert "±" not in markdown(table, "t", plus_minus)
        assert r"\pm" not in latex(table, "t", "tab:t", plus_minus)
        assert "[" not in latex(table, "t", "tab:t", plus_minus)


def test_a_policy_without_a_value_has_a_dash() -> None:
    cells = [Cell(np.nan, np.nan, np.nan, False)]
    table = PolicyTable((HEADINGS["regret"],), {"": {"sac": cells}}, "", (1, 1))
    assert r"sac & -- \\" in latex(table, "t", "tab:t")
    assert re.search(r"\| sac +\| +- \|", markdown(table, "t"))


@pytest.mark.parametrize("label", ["", "tab:a b", "a{b}", "a\\b", "a%", "a#", "ü"])
def test_a_label_that_latex_does_not_take_is_refused(table: PolicyTable, label: str) -> None:
    with pytest.raises(ValueError, match=r"label '.*': should be of letters, digits and"):
        latex(table, "t", label)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_latex_compiles(table: PolicyTable, hostile: PolicyTable, tmp_path: Path) -> None:
    for number, each in enumerate((table, hostile)):
        for plus_minus in (False, True):
            body = latex(each, HOSTILE[0], "tab:x", plus_minus)
            (tmp_path / "a.tex").write_text(
                f"\\documentclass{{article}}\\usepackage{{booktabs}}\n\\begin{{document}}\n{body}"
                "\\end{document}\n"
            )
            done = subprocess.run(
                ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
                cwd=tmp_path,
                capture_output=True,
                timeout=120,
            )
            assert done.returncode == 0, (number, done.stdout.decode(errors="replace")[-3000:])
