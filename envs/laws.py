"""The laws of a world that may stand in files: of its channels, and of recorded requests."""

from typing import NamedTuple, Self

from envs.channel.process import ChannelProcess
from envs.config import WorldConfig
from envs.request_trace import RequestTrace


class Laws(NamedTuple):
    """What channels and requests are drawn by; made once, since it may read files.

    Attributes:
        channel: process of the channels.
        requests: the trace that is played; None where requests are drawn.
    """

    channel: ChannelProcess
    requests: RequestTrace | None

    @classmethod
    def of(cls, config: WorldConfig) -> Self:
        """Return the laws of a world.

        Raises:
            ValueError: a file cannot be read, or is too small for the world.
        """
        return cls(config.made_channel(), RequestTrace.of(config))
