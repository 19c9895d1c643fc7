"""Clauses of a prompt, sentences and words of a text.

Words and sentences are those of Unicode's rules (`unicode_breaks`); English has rules of its own
besides: abbreviations end no sentence, and conjunctions begin a clause.
"""

import unicodedata
from itertools import pairwise

import regex

from marl_moe.text.unicode_breaks import sentence_breaks, word_spans

SHORTEST_CLAUSE = 2  # words; a shorter piece belongs to the clause before it
_QUOTED = regex.compile(r"[\"“«][^\"”»\n]*[\"”»]|„[^“”\n]*[“”]|「[^」\n]*」|『[^』\n]*』")
_CLOSING = '"”»“」』)）'
_ABBREVIATED = r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\be\.g)(?<!\bi\.e)(?<!\b[A-Z])"
_ENDS = ".!?…"  # of English sentences, where a blank follows; UAX #29 knows those of all scripts
_SENTENCE_END = rf"{_ABBREVIATED}[{_ENDS}]+[\"”»)]*(?=\s|$)"
_LINE_END = r"\n\r\v\f\x85\u2028\u2029"
_OTHER_END = r"[\p{Terminal_Punctuation}--[!-~]]"  # of other scripts: 。，、 ।॥ ،؛؟ ። and others
_CLAUSE_END = regex.compile(
    rf"{_SENTENCE_END}|[;:{_LINE_END}—–―]+|,(?=\s)|{_OTHER_END}+"
    r"|(?<=[\p{Thai}\p{Lao}])\s+(?=[\p{Thai}\p{Lao}])"  # whose blanks are punctuation
    r"|\b(?:and|but|while|then|when|where|who|whose|which|because|although|until|before|after"
    r"|as)\b",
    regex.IGNORECASE | regex.V1,
)
# What a clause is stripped of: marks of its end and of lists, and what is not seen, such as marks
# of direction.
_AROUND = r"[\s\p{Terminal_Punctuation}\p{Cf}…—–―\-*•¿¡]+"
_STRIPPED = regex.compile(rf"\A{_AROUND}|{_AROUND}\Z")
_REQUEST = regex.compile(  # asks for a text, and says nothing of its content
    r"^(?:please\s+)?(?:(?:can|could|would)\s+you\s+)?(?:please\s+)?"
    r"(?:write|tell|compose|generate|give|create|make)\s+(?:me\s+|us\s+)?"
    r"(?:an?|the|some)?\s*(?:[\w-]+\s+){0,3}?"
    r"(?:story|tale|scene|passage|paragraph|text|chapter|poem)\b"
    r"(?:\s+(?:about|of|with|in\s+which|on|set\s+in|that\s+has))?\s*",
    regex.IGNORECASE,
)


def clauses_of(prompt: str) -> list[str]:
    """Return the clauses of a prompt in its order: pieces of it that do not overlap.

    The prompt is cut at the ends of sentences, at commas and colons, and at conjunctions and
    relative pronouns, but not within quotation marks. A piece of fewer than `SHORTEST_CLAUSE` words
    stays with the piece before it in its sentence (with the one after it at the beginning). "Write
    a story about" and the like ask for a text and are part of no clause.
    """
    found: list[str] = []
    for begin, end in sentence_spans(prompt):
        sentence = prompt[begin:end]
        request = _REQUEST.match(sentence)
        if request:
            sentence = sentence[request.end() :]
        found += _cut(sentence)
    return found


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text in its order."""
    return [text[begin:end].strip() for begin, end in sentence_spans(text)]


def words_of(text: str) -> list[str]:
    """Return the words of a text, each in the one form that it has however it is written.

    Upper and lower case, letters with an accent of their own or apart, and full and half width are
    the same.
    """
    return [_form(text[begin:end]) for begin, end in word_spans(text)]


def first_words(text: str, count: int) -> str:
    """Return the text up to its last whole sentence within `count` words.

    Where its first sentence is longer, the first words of that sentence are returned: a text with
    a word in it keeps one.
    """
    kept = ""
    for begin, end in sentence_spans(text):
        if len(word_spans(text[:end])) > count:
            return kept or _cut_short(text[begin:end], count)
        kept = text[:end].strip()
    return kept


def _cut_short(sentence: str, count: int) -> str:
    """Return the first words of a sentence, with the marks that stand before the next blank."""
    spans = word_spans(sentence)[: count + 1]
    end, following = spans[count - 1][1], spans[count][0]
    marks = regex.match(r"\S*", sentence[end:following])
    if marks and end + marks.end() < following:
        end += marks.end()
    return " ".join(sentence[:end].split())


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return where each sentence with a word in it begins and ends; the end of a line ends one."""
    marks = [(mark.start(), mark.end()) for mark in regex.finditer(rf"{_SENTENCE_END}|\n+", text)]
    marks += [(end, end) for end in sentence_breaks(text) if _ends_by_unicode(text, end)]
    ends = sorted({end for start, end in marks if not _within_quotes(text, start)})
    spans = pairwise([0, *ends, len(text)])
    return [(begin, end) for begin, end in spans if word_spans(text[begin:end])]


def _ends_by_unicode(text: str, end: int) -> bool:
    """Return whether a sentence ends at a break of UAX #29.

    After the marks of English that is so between two letters alone ("fell!She"): elsewhere the
    rule of English decides, which knows abbreviations.
    """
    ended = text[:end].rstrip().rstrip(_CLOSING)
    if not ended.endswith(tuple(_ENDS)):
        return True
    return ended.rstrip(_ENDS)[-1:].isalnum() and text[len(ended) : len(ended) + 1].isalpha()


def _form(word: str) -> str:
    if word.isascii():
        return word.lower()
    shown = "".join(letter for letter in word if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", shown).casefold())


def _cut(sentence: str) -> list[str]:
    """Cut a sentence into its clauses."""
    pieces: list[tuple[int, int]] = []
    begin = 0
    for mark in (*_CLAUSE_END.finditer(sentence), None):
        if mark is not None and _within_quotes(sentence, mark.start()):
            continue
        end = len(sentence) if mark is None else mark.start()
        long_enough = len(word_spans(sentence[begin:end])) >= SHORTEST_CLAUSE
        if pieces and not long_enough:
            pieces[-1] = pieces[-1][0], end  # with the separator between them
            begin = len(sentence) if mark is None else mark.end()
        elif long_enough or mark is None:
            pieces.append((begin, end))
            begin = len(sentence) if mark is None else mark.end()
    stripped = (_STRIPPED.sub("", sentence[begin:end]) for begin, end in pieces)
    return [piece for piece in stripped if any(map(str.isalpha, piece))]


def _within_quotes(text: str, position: int) -> bool:
    return any(quoted.start() < position < quoted.end() - 1 for quoted in _QUOTED.finditer(text))
