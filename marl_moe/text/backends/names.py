"""Names by which backends and judges are chosen; importing them loads no model and no torch."""

from enum import StrEnum


class Backend(StrEnum):
    """Experts and fusion that write an answer."""

    PHRASES = "phrases"
    OPENAI = "openai"


class JudgeName(StrEnum):
    """Judges that score a text."""

    EMBEDDING = "embedding"
    OPENAI = "openai"
