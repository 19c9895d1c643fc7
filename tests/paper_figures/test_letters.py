"""Labels that anyone may have written are readable, and told apart."""

import pytest

from paper_figures import looks, style
from paper_figures.letters import LONGEST, distinct, shortened, visible
from paper_figures.style import policy_style
from paper_figures.variants import Variant, label


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\0b", r"a\x00b"),
        ("a\nb", r"a\nb"),
        ("a\u200bb", r"a\u200bb"),
        ("naïve α", "naïve α"),
    ],
)
def test_an_unseen_letter_is_shown_by_its_number(written: str, shown: str) -> None:
    assert visible(written) == shown
    assert policy_style(f"X {written}").label == f"X {shown}"


def test_a_long_label_keeps_its_ends_around_an_ellipsis() -> None:
    long = "start X" + "x" * 200 + "end"
    for shown in (shortened(long), policy_style(long).label, label(Variant(long))):
        assert len(shown) == LONGEST
        assert shown.startswith("start")
        assert "…" in shown
        assert shown.endswith("end")
    assert shortened("x" * LONGEST) == "x" * LONGEST


@pytest.mark.parametrize(
    "names",
    [
        ["a" * 60 + letter + "b" * 60 for letter in "xyz"],  # alike once shortened
        ["A b", "A\u00a0b", "A b "],  # blanks alike on the page
        ["caf\u00e9 X", "cafe\u0301 X"],  # one letter, or two that make it
        ["\u0378 X", "\u0379 X"],  # letters that no font has: two boxes
        ["a\x1b X", r"a\x1b X"],
    ],
)
def test_policies_that_look_alike_have_numbers_whatever_their_order(names: list[str]) -> None:
    names = sorted(names)
    with looks(style.PRINT):
        labels = [policy_style(name, names).label for name in names]
        assert [policy_style(name, names[::-1]).label for name in names] == labels
        assert distinct(labels) == labels
    assert [text[-4:] for text in labels[1:]] == [f" ({n + 2})" for n in range(len(names) - 1)]
