"""Words and sentences by the rules of Unicode (UAX #29), as ICU implements them.

Where a script puts no blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) ICU
finds them with its dictionaries, since the rules alone cut Han into single characters and Thai not
at all.
"""

import re
from collections.abc import Iterable
from itertools import accumulate, pairwise

from icu4py.breakers import SentenceBreaker, WordBreaker

# In it "fell.She" and "a:b" are two words each, as English has them; other scripts are cut alike.
LOCALE = "en_US_POSIX"
HYPHENS = "-\u2010\u2011"  # between two words they make one: "half-mad"
_NO_LETTER = re.compile("[\ud800-\udfff]")  # halves of letters, which ICU does not take


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return where each word begins and ends: a segment of UAX #29 with a letter or digit in it."""
    spans: list[tuple[int, int]] = []
    hyphen = False  # whether the last piece was one, right after a word
    for begin, end in _spans(WordBreaker(_readable(text), LOCALE)):
        piece = text[begin:end]
        if any(letter.isalnum() for letter in piece):
            first = spans.pop()[0] if hyphen else begin
            spans.append((first, end))
            hyphen = False
        else:
            hyphen = piece in HYPHENS and bool(spans) and spans[-1][1] == begin
    return spans


def sentence_breaks(text: str) -> list[int]:
    """Return where sentences end by UAX #29, which knows no abbreviations; the last is the end."""
    return [end for _, end in _spans(SentenceBreaker(_readable(text), LOCALE))]


def _spans(pieces: Iterable[str]) -> list[tuple[int, int]]:
    """Return where pieces that follow each other begin and end; ICU's own places count UTF-16."""
    return list(pairwise(accumulate(map(len, pieces), initial=0)))


def _readable(text: str) -> str:
    return _NO_LETTER.sub("\ufffd", text)
