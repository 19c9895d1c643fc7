"""Phrase banks: what a text expert of a topic knows, and the subtasks that it is measured on."""

from importlib.resources import files
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from envs.config import STRICT

TOPICS = ("character", "landscape", "weather", "plot", "dialogue", "emotion")  # topic m is TOPICS[m]
BANKS = Path(str(files("marl_moe.text"))) / "banks"
OFF_TOPIC = BANKS / "off_topic.json"


@dataclass(frozen=True, config=STRICT)
class Bank:
    """A topic: who writes about it, phrases to write with, and held-out subtasks as a user would word them.

    The held-out subtasks are read by measurements alone: no gate and no expert is fitted to them.
    """

    topic: str = Field(min_length=1, description="Name of the topic")
    persona: str = Field(min_length=1, description="What a language model is told to be, one or two sentences")
    phrases: tuple[str, ...] = Field(min_length=1, description="Whole sentences of an answer")
    held_out: tuple[str, ...] = Field(min_length=1, description="Subtasks of this topic, clauses of a prompt")


class BankError(ValueError):
    """What is wrong with a bank's file: file, key, and what would be right."""


def load_banks() -> tuple[Bank, ...]:
    """The banks that come with the package, in the order of `TOPICS`."""
    return tuple(load_bank(BANKS / f"{topic}.json") for topic in TOPICS)


def load_bank(file: Path) -> Bank:
    """Read a bank. Raises BankError naming the file, the key and what is wrong with it; OSError without the file."""
    try:
        return TypeAdapter(Bank).validate_json(file.read_bytes())
    except ValidationError as error:
        raise BankError(
            "\n".join(f"{file}: {'.'.join(map(str, m['loc'])) or 'bank'}: {m['msg']}" for m in error.errors())
        ) from None
