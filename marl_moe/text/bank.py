"""Phrase banks: what a text expert of a topic knows, and the subtasks that it is measured on."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from envs.config import STRICT

TOPICS = (
    "character",
    "landscape",
    "weather",
    "plot",
    "dialogue",
    "emotion",
)  # topic m is TOPICS[m]
BANKS = Path(__file__).parent / "banks"


@dataclass(frozen=True, config=STRICT)
class Bank:
    """A topic: who writes about it, phrases to write with, and subtasks as a user would word them.

    The held-out subtasks are read by measurements alone: no gate and no expert is fitted to them.
    Those of the banks that come with the package were written last, and not changed after a gate
    had seen them.
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
    """What is wrong with a bank's file: file, key, and what would be right."""


def load_banks(added: Sequence[str] = ()) -> tuple[Bank, ...]:
    """The banks of `TOPICS`, and those of topics added to them.

    added: files, or the names of banks that come with the package. Raises BankError where a topic
    is there already.
    """
    banks = [load_bank(BANKS / f"{topic}.json") for topic in TOPICS]
    for source in added:
        shipped = BANKS / f"{source}.json"
        bank = load_bank(
            shipped if shipped.is_file() and not Path(source).is_file() else Path(source)
        )
        if bank.topic in [known.topic for known in banks]:
            raise BankError(f"{source}: topic: there is a bank of the topic {bank.topic!r} already")
        banks.append(bank)
    return tuple(banks)


def load_bank(file: Path) -> Bank:
    """Read a bank. Raises BankError naming the file, the key and what is wrong with it."""
    try:
        return TypeAdapter(Bank).validate_json(file.read_bytes())
    except OSError as error:
        raise BankError(f"{file}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise BankError(
            "\n".join(
                f"{file}: {'.'.join(map(str, m['loc'])) or 'bank'}: {m['msg']}"
                for m in error.errors()
            )
        ) from None
