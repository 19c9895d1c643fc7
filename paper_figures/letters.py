"""Labels that anyone may have written: unseen letters shown, long ones shortened, all told apart.

What a letter looks like depends on the fonts in use (`rcParams["font.family"]`); one that no font
has is a box on the page.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import count

from matplotlib import rcParams
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.text import Text

LONGEST = 40  # letters of a label beside a plot
# Controls, marks without ink, halves of pairs, and separators of lines and paragraphs.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_BOX = "\N{REPLACEMENT CHARACTER}"


class LackingLetters(UserWarning):
    """No font in use has a letter of a figure."""


def visible(text: str) -> str:
    r"""Return a text with letters that cannot be seen shown by their numbers: `\x1b[31mred`."""
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in _UNSEEN
        else letter
        for letter in text
    )


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return a text of at most `longest` letters, an ellipsis in the middle of one that had more.

    The ends stay, where names mostly differ.
    """
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    return f"{text[: longest - 1 - tail]}…{text[-tail:]}"


def distinct(labels: Iterable[str]) -> list[str]:
    """Return labels with a number behind those that look like one before them: a, a (2)."""
    taken: set[str] = set()
    found = []
    for label in labels:
        numbered = (f"{label} ({number})" if number > 1 else label for number in count(1))
        new = next(text for text in numbered if _appearance(text) not in taken)
        taken.add(_appearance(new))
        found.append(new)
    return found


def lacking(figure: Figure) -> str:
    """Return the letters of a figure's texts that no font in use has, each once.

    Formulas are left out: they have fonts of their own.
    """
    letters: dict[str, None] = {}
    for text in figure.findobj(Text):
        shown = text.get_text()
        if text.get_visible() and not is_math_text(shown):
            families = tuple(text.get_fontfamily())
            letters |= dict.fromkeys(a for a in shown if a != "\n" and not _has(families, a))
    return "".join(letters)


def _appearance(label: str) -> str:
    """Return a text that labels share which look alike."""
    families = tuple(rcParams["font.family"])
    composed = " ".join(unicodedata.normalize("NFC", label).split())
    return "".join(a if a.isascii() or _has(families, a) else _BOX for a in composed)


@cache
def _has(families: tuple[str, ...], letter: str) -> bool:
    """Return whether a font of the families has a letter."""
    files = (fontManager.findfont(FontProperties(family=[family])) for family in families)
    return any(get_font(file).get_char_index(ord(letter)) for file in files)
