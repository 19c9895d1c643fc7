"""Clauses of a prompt, sentences and words of a text, found by regular expressions."""

import re
from itertools import pairwise

SHORTEST_CLAUSE = 2  # words; a shorter piece belongs to the clause before it
_QUOTED = re.compile(r"[\"“«][^\"”»\n]*[\"”»]")
_ABBREVIATED = r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\be\.g)(?<!\bi\.e)(?<!\b[A-Z])"
_SENTENCE_END = rf"{_ABBREVIATED}[.!?…]+[\"”»)]*(?=\s|$)"
_CLAUSE_END = re.compile(
    rf"{_SENTENCE_END}|[;:\n—–]+|,(?=\s)"
    r"|\b(?:and|but|while|then|when|where|who|whose|which|because|although|until|before|after"
    r"|as)\b",
    re.IGNORECASE,
)
_AROUND = " \t\r\n.,;:!?…—–-*•"  # a clause, with the marks of lists
_REQUEST = re.compile(  # asks for a text, and says nothing of its content
    r"^(?:please\s+)?(?:(?:can|could|would)\s+you\s+)?(?:please\s+)?"
    r"(?:write|tell|compose|generate|give|create|make)\s+(?:me\s+|us\s+)?"
    r"(?:an?|the|some)?\s*(?:[\w-]+\s+){0,3}?"
    r"(?:story|tale|scene|passage|paragraph|text|chapter|poem)\b"
    r"(?:\s+(?:about|of|with|in\s+which|on|set\s+in|that\s+has))?\s*",
    re.IGNORECASE,
)


def clauses_of(prompt: str) -> list[str]:
    """Return the clauses of a prompt in its order: pieces of it that do not overlap.

    The prompt is cut at the ends of sentences, at commas and colons, and at conjunctions and
    relative pronouns, but not within quotation marks. A piece of fewer than `SHORTEST_CLAUSE` words
    stays with the piece before it in its sentence (with the one after it at the beginning). "Write
    a story about" and the like ask for a text and are part of no clause.
    """
    found: list[str] = []
    for begin, end in _sentence_spans(prompt):
        sentence = prompt[begin:end]
        request = _REQUEST.match(sentence)
        if request:
            sentence = sentence[request.end() :]
        found += _cut(sentence)
    return found


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text in its order."""
    return [text[begin:end].strip() for begin, end in _sentence_spans(text)]


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return re.findall(r"\w+(?:['’-]\w+)*", text.lower())


def first_words(text: str, count: int) -> str:
    """Return the text up to its last whole sentence within `count` words.

    Where its first sentence is longer, the first words of that sentence are returned.
    """
    kept = ""
    for begin, end in _sentence_spans(text):
        if len(words_of(text[:end])) > count:
            return kept or _cut_short(text[begin:end], count)
        kept = text[:end].strip()
    return kept


def _cut_short(sentence: str, count: int) -> str:
    """Return the first pieces between blanks that hold at most `count` words together.

    A piece such as "rain/snow" holds several words.
    """
    pieces = sentence.split()
    while pieces and len(words_of(" ".join(pieces))) > count:
        pieces.pop()
    return " ".join(pieces)


def _sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return where each sentence begins and ends; the end of a line ends one too."""
    ends = []
    for mark in re.finditer(rf"{_SENTENCE_END}|\n+", text):
        if not _within_quotes(text, mark.start()):
            ends.append(mark.end())
    spans = pairwise([0, *ends, len(text)])
    return [(begin, end) for begin, end in spans if words_of(text[begin:end])]


def _cut(sentence: str) -> list[str]:
    """Cut a sentence into its clauses."""
    pieces: list[tuple[int, int]] = []
    begin = 0
    for mark in (*_CLAUSE_END.finditer(sentence), None):
        if mark is not None and _within_quotes(sentence, mark.start()):
            continue
        end = len(sentence) if mark is None else mark.start()
        long_enough = len(words_of(sentence[begin:end])) >= SHORTEST_CLAUSE
        if pieces and not long_enough:
            pieces[-1] = pieces[-1][0], end  # with the separator between them
            begin = len(sentence) if mark is None else mark.end()
        elif long_enough or mark is None:
            pieces.append((begin, end))
            begin = len(sentence) if mark is None else mark.end()
    stripped = (sentence[begin:end].strip(_AROUND) for begin, end in pieces)
    return [piece for piece in stripped if re.search(r"[^\W\d_]", piece)]


def _within_quotes(text: str, position: int) -> bool:
    return any(quoted.start() < position < quoted.end() - 1 for quoted in _QUOTED.finditer(text))
