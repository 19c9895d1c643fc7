"""Phrase banks of the topics: text to write with, and subtasks to measure experts on."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from envs.section import STRICT
from marl_moe.text.clauses import words_of
from marl_moe.text.languages import KNOWN, foreign

# Topic m is TOPICS[m].
TOPICS = ("character", "landscape", "weather", "plot", "dialogue", "emotion")
BANKS = Path(__file__).parent / "banks"


@dataclass(frozen=True, config=STRICT)
class Bank:
    """A topic's persona, phrases to write with, and subtasks in the words of a user.

    The held-out subtasks are read by measurements alone: no gate and no expert is fitted to them.
    Those of the banks that come with the package were written last, and not changed after a gate
    had routed them.
    """

    topic: str = Field(min_length=1, description="Name of the topic")
    persona: str = Field(
        min_length=1, description="What a language model is told to be, one or two sentences"
    )
    phrases: tuple[str, ...] = Field(min_length=1, description="Whole sentences of an answer")
    clauses: tuple[str, ...] = Field(
        min_length=1, description="Subtasks that a gate is fitted to, beside the phrases"
    )
    held_out: tuple[str, ...] = Field(
        min_length=1, description="Subtasks of this topic, clauses of a prompt"
    )


class BankError(ValueError):
    """A bank's file that cannot be used: the file, the key, and the value that would be right."""


def load_banks(added: Sequence[str] = ()) -> tuple[Bank, ...]:
    """Read the banks of `TOPICS`, and those of topics added to them.

    Args:
        added: files, or the names of banks that come with the package.

    Raises:
        BankError: a bank cannot be read, or there is one of its topic already.
    """
    banks = [load_bank(BANKS / f"{topic}.json") for topic in TOPICS]
    for source in added:
        file, shipped = Path(source), BANKS / f"{source}.json"
        if shipped.is_file() and not file.is_file():
            file = shipped
        bank = load_bank(file)
        if bank.topic in [known.topic for known in banks]:
            raise BankError(f"{source}: topic: there is a bank of the topic {bank.topic!r} already")
        banks.append(bank)
    return tuple(banks)


def load_bank(file: Path) -> Bank:
    """Read a bank.

    Raises:
        BankError: it cannot be read, or a key is wrong; the message names file and key.
    """
    try:
        bank = TypeAdapter(Bank).validate_json(file.read_bytes())
    except OSError as error:
        raise BankError(f"{file}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        lines = []
        for mistake in error.errors():
            key = ".".join(map(str, mistake["loc"])) or "bank"
            lines.append(f"{file}: {key}: {mistake['msg']}")
        raise BankError("\n".join(lines)) from None
    for key in ("phrases", "clauses", "held_out"):
        texts = getattr(bank, key)
        for number, text in enumerate(texts):
            if not words_of(text):
                raise BankError(f"{file}: {key}.{number}: should hold a word, got {text!r}")
        language = foreign("\n".join(texts))
        if language is not None:
            raise BankError(f"{file}: {key}: should be English, seems to be {language!r}; {KNOWN}")
    return bank
