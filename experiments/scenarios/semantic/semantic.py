"""Semantic communication: experts send words as text or as meaning, by a measured table.

`codec: {model: meaning, path: similarity.json, bits: 64}` sends each phrase of prompt and answer as
64 bits of its embedding, `codec: {model: text, path: similarity.json}` sends the words. Both are
measured by the same yardstick (`measure.py`): how alike what is recovered is to what was meant.
"""

from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from semantic_table import Float, Table, read_table

import envs.codec
import marl_moe.metrics
from envs import ChannelConfig, Slot, SlotResult
from envs.section import STRICT, Section

MODULATION = "qpsk"  # that the table is measured with


class Measured(Section, envs.codec.Codec):
    """A codec of a measured table."""

    path: str

    @cached_property
    def table(self) -> Table:
        """The table.

        Raises:
            ValueError: it cannot be read, or is of another modulation.
        """
        table = read_table(self.path)
        if table.modulation != MODULATION:
            raise ValueError(f"{self.path}: is of {table.modulation}, should be of {MODULATION}")
        return table

    def check(self, channel: ChannelConfig) -> None:
        """Check that the channel sends as the table was measured.

        Raises:
            ValueError: it does not.
        """
        if channel.ber != "snr" or channel.modulation != MODULATION:
            raise ValueError(
                f"is measured with channel.ber: snr and channel.modulation: {MODULATION}, got ber: "
                f"{channel.ber}, modulation: {channel.modulation}"
            )


@envs.codec.register("meaning")
@dataclass(frozen=True, config=STRICT)
class Meaning(Measured):
    """Signs of random projections of a phrase's embedding, for the receiver to retrieve one by."""

    path: str = Field(description="Table that measure.py writes, relative to the experiment")
    bits: int = Field(default=64, gt=0, description="Bits of a phrase, one of those measured")

    @cached_property
    def cells(self) -> Float:
        """Similarities by SNR and shared knowledge, (S, K).

        Raises:
            ValueError: they were not measured with that many bits.
        """
        if self.bits not in self.table.bits:
            known = ", ".join(map(str, self.table.bits))
            raise ValueError(f"bits: should be one of {known}, as measured, got {self.bits}")
        return self.table.cells(self.bits).mean

    def bits_per_word(
        self, channel: ChannelConfig, snr_db: Float, shared: Float | float
    ) -> Float | float:
        """Return the bits of a phrase over its mean words."""
        return self.bits / self.table.words_per_phrase

    def survival(self, channel: ChannelConfig, snr_db: Float, shared: Float | float) -> Float:
        """Return the product of what is left of the prompt's worth and of the answer's."""
        return self.table.worth(self.table.similarity(self.cells, snr_db, shared)) ** 2


@envs.codec.register("text")
@dataclass(frozen=True, config=STRICT)
class Text(Measured):
    """Words as they are, without those lost, judged by similarity."""

    reads_knowledge: ClassVar[bool] = False
    path: str = Field(description="Table that measure.py writes, relative to the experiment")

    def bits_per_word(
        self, channel: ChannelConfig, snr_db: Float, shared: Float | float
    ) -> Float | float:
        """Return the configured bits of a word.

        Raises:
            ValueError: they are not those of the table.
        """
        measured = self.table.text_bits_per_word
        if channel.bits_per_word != measured:
            given = f"got {channel.bits_per_word:g}"
            raise ValueError(f"channel.bits_per_word should be {measured:g}, as measured, {given}")
        return channel.bits_per_word

    def survival(self, channel: ChannelConfig, snr_db: Float, shared: Float | float) -> Float:
        """Return the product of what is left of the prompt's worth and of the answer's.

        Between the SNRs of the table similarity is linear, beyond them that of the edge.
        """
        similarity = np.interp(snr_db, self.table.snr_db, self.table.of_words().mean)
        return self.table.worth(similarity) ** 2


@marl_moe.metrics.register(
    "by_meaning", unit="share", doc="served users whose expert sends meaning, of all served"
)
def by_meaning(slot: Slot, result: SlotResult) -> NDArray[np.floating]:
    """Return the share of those served that experts who send meaning serve, NaN of none, (N,)."""
    codecs = slot.config.codecs
    sends = np.array([isinstance(codec, Meaning) for _, codec in codecs.codecs])[codecs.of_expert]
    served = result.load.sum(axis=-1)
    nobody = np.full(served.shape, np.nan)
    return np.divide(result.load @ sends, served, out=nobody, where=served > 0)


@marl_moe.metrics.register(
    "band_use", unit="share", doc="airtime that experts take on in a slot, of the slot's length"
)
def band_use(slot: Slot, result: SlotResult) -> NDArray[np.floating]:
    """Return the airtime that each expert takes on over the slot, (N, E)."""
    return result.airtime_s / slot.config.slot_s
