"""The codecs of the experts of a world: what the pairs of each send."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import AfterValidator

from envs.arrays import Float, Int
from envs.channel.config import ChannelConfig
from envs.codec.base import CODECS, Codec, CodecError
from envs.codec.words import Words
from envs.geometry.models import MODEL, Model
from mechanisms.errors import described

WORDS: Model = {MODEL: "words"}


def _made(section: Model) -> Model:
    CODECS.made_of(section)
    return section


CodecModel = Annotated[Model, AfterValidator(_made)]  # a section {model: NAME, ...} of a codec


@dataclass(frozen=True, eq=False)
class Codecs:
    """Codecs of experts.

    Attributes:
        codecs: those that differ, by the name that each is registered under and its parameters.
        of_expert: (E,) the place among them of each expert's.
    """

    codecs: tuple[tuple[str, Codec], ...]
    of_expert: Int

    @classmethod
    def of(cls, sections: Sequence[Model]) -> Self:
        """Return the codecs of experts.

        Args:
            sections: of each expert, `{model: NAME, ...}`.
        """
        written = [json.dumps(section, sort_keys=True) for section in sections]
        places = {text: place for place, text in enumerate(dict.fromkeys(written))}
        different = map(json.loads, places)
        codecs = ((section[MODEL], CODECS.made_of(section)) for section in different)
        return cls(tuple(codecs), np.array([places[text] for text in written]))

    @property
    def are_words(self) -> bool:
        """True where all experts send words."""
        return all(type(codec) is Words for _, codec in self.codecs)

    def bits_per_word(
        self, channel: ChannelConfig, expert: Int, snr_db: Float, shared: Float | float
    ) -> Float | float:
        """Return the bits of a word of each pair; one number where all are the same.

        Args:
            channel: the channel's configuration.
            expert: the expert of each pair; broadcasts against the SNR.
            snr_db: SNR of each pair, dB.
            shared: knowledge that each has in common, 0..1; likewise, or a number.

        Raises:
            CodecError: a codec failed, or gave none.
        """
        return self._of_pairs(Codec.bits_per_word.__name__, channel, expert, snr_db, shared)

    def survival(
        self, channel: ChannelConfig, expert: Int, snr_db: Float, shared: Float | float
    ) -> Float | float:
        """Return the share of an answer's worth that survives, of each pair, as `bits_per_word`."""
        return self._of_pairs(Codec.survival.__name__, channel, expert, snr_db, shared)

    def _of_pairs(
        self,
        part: str,
        channel: ChannelConfig,
        expert: Int,
        snr_db: Float,
        shared: Float | float,
    ) -> Float | float:
        if len(self.codecs) == 1:
            return _of(*self.codecs[0], part, channel, snr_db, shared)
        which = np.broadcast_to(self.of_expert[expert], snr_db.shape)
        shared = np.broadcast_to(shared, snr_db.shape)
        sent = np.empty_like(snr_db)
        for place, (name, codec) in enumerate(self.codecs):
            own = which == place
            sent[own] = _of(name, codec, part, channel, snr_db[own], shared[own])
        return sent


def _of(
    name: str,
    codec: Codec,
    part: str,
    channel: ChannelConfig,
    snr_db: Float,
    shared: Float | float,
) -> Float | float:
    """Return what a method of a codec gives, checked.

    Raises:
        CodecError: it failed, or gave what is none.
    """
    survives = part == Codec.survival.__name__
    try:
        given = getattr(codec, part)(channel, snr_db, shared)
        if type(codec) is Words:
            return given
        numbers = np.asarray(given, float)
    except Exception as error:  # of whatever a codec of a user's own does
        raise CodecError(f"codec {name}: {part}: {described(error)}") from error
    if numbers.shape not in ((), snr_db.shape):
        says = f"should be a number or of shape {snr_db.shape}, got shape {numbers.shape}"
        raise CodecError(f"codec {name}: {part} {says}")
    right = (numbers >= 0) & (numbers <= 1) if survives else (numbers > 0) & np.isfinite(numbers)
    if not right.all():
        limits = "from 0 to 1" if survives else "finite and greater than 0"
        raise CodecError(f"codec {name}: {part} should be {limits}, got {numbers[~right][0]:g}")
    return numbers if numbers.shape else float(numbers)
