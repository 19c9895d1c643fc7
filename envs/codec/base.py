"""A codec: bits a word of a prompt and its answer, and the share of the worth that survives."""

from abc import ABC, abstractmethod
from typing import ClassVar

from envs.arrays import Float
from envs.channel.config import ChannelConfig
from envs.geometry.models import Models
from mechanisms.errors import PartError


class CodecError(PartError):
    """A codec failed, or gave no bits or no share; the message names the codec and the fault."""


class Codec(ABC):
    """A way to send words: a frozen dataclass of its parameters, which keeps nothing else.

    Attributes:
        reads_knowledge: true where the knowledge that user and expert share matters to it.
    """

    reads_knowledge: ClassVar[bool] = True

    @abstractmethod
    def bits_per_word(
        self, channel: ChannelConfig, snr_db: Float, shared: Float | float
    ) -> Float | float:
        """Return the bits of a word, prompt and answer alike: a number, or one for each pair.

        Args:
            channel: the channel's configuration.
            snr_db: SNR of each pair alone on the band, dB, of any shape.
            shared: share of their knowledge that user and expert have in common, 0..1: a number, or
                of the shape of the SNR.
        """

    @abstractmethod
    def survival(
        self, channel: ChannelConfig, snr_db: Float, shared: Float | float
    ) -> Float | float:
        """Return the share of an answer's worth that both ways leave, 0..1, likewise.

        It multiplies what the answer recovers, as lateness does (`envs.quality.full_points`).

        Args:
            channel: as of `bits_per_word`.
            snr_db: likewise.
            shared: likewise.
        """

    def check(self, channel: ChannelConfig) -> None:  # noqa: B027  (not every codec has limits)
        """Check that the codec is made for a channel; nothing by default.

        Raises:
            ValueError: it is not.
        """


CODECS: Models[Codec] = Models("codec", Codec)  # type: ignore[type-abstract]
register = CODECS.register  # a decorator, `codec: {model: NAME}`
