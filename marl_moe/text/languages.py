"""Languages of texts: English, which the experts know, and any other, which is told."""

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from marl_moe.text.clauses import words_of

KNOWN = (
    "the experts know English alone: the gate and the judge `embedding` (all-MiniLM-L6-v2), the "
    "phrases and SmolLM2; a model behind --base-url may know more, but it is the gate that sends "
    "it subtasks"
)
# Probability of English below which a text of Latin letters is in another language. The least of
# the 2,225 texts of the banks and the blind subtasks, those of few words apart, is 0.09.
UNLIKELY = 0.003
FEWEST_WORDS = 4  # that tell languages of Latin letters apart


@lru_cache(maxsize=4096)
def foreign(text: str) -> str | None:
    """Return the code (ISO 639) of a text's language; None for English, and where it is unknown.

    A text most of whose letters are not Latin is in another language for certain. One of Latin
    letters is where English is unlikely, which fewer than `FEWEST_WORDS` words cannot tell.
    """
    latin = _is_latin(text)
    if latin and len(words_of(text)) < FEWEST_WORDS:
        return None
    ranked = {code: float(probability) for code, probability in _identifier().rank(text)}
    english = ranked.pop("en")
    return None if latin and english >= UNLIKELY else max(ranked, key=lambda code: ranked[code])


def languages_of(clauses: Sequence[str]) -> list[str | None]:
    """Return `foreign` of each clause of a prompt.

    Those of few words of Latin letters are in the language of all clauses of such letters.
    """
    latin = foreign("\n".join(filter(_is_latin, clauses)))
    return [
        latin if _is_latin(clause) and len(words_of(clause)) < FEWEST_WORDS else foreign(clause)
        for clause in clauses
    ]


def _is_latin(text: str) -> bool:
    """Return whether half of a text's letters or more are Latin; those of full width are not."""
    letters = [letter for letter in text if letter.isalpha()]
    latin = [letter for letter in letters if unicodedata.name(letter, "").startswith("LATIN")]
    return 2 * len(latin) >= len(letters)


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
