"""Words sent as they are."""

from typing import ClassVar

from pydantic.dataclasses import dataclass

from envs.arrays import Float
from envs.channel.config import ChannelConfig
from envs.channel.rates import db_to_linear, word_survival
from envs.codec.base import Codec, register
from envs.section import STRICT, Section


@register("words")
@dataclass(frozen=True, config=STRICT)
class Words(Section, Codec):
    """Words of `channel.bits_per_word` bits each, of which those without a wrong bit survive."""

    reads_knowledge: ClassVar[bool] = False

    def bits_per_word(
        self, channel: ChannelConfig, snr_db: Float, shared: Float | float
    ) -> Float | float:
        """Return the configured bits of a word."""
        return channel.bits_per_word

    def survival(
        self, channel: ChannelConfig, snr_db: Float, shared: Float | float
    ) -> Float | float:
        """Return the share of words without a bit error both ways (`envs.channel.rates`).

        It is one number where it does not depend on the SNR.
        """
        if channel.ber == "snr":
            return word_survival(channel, db_to_linear(snr_db))
        return word_survival(channel, snr_db)  # of which it reads nothing
