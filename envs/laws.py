"""The laws of a world that may stand in files: of its channels, and of recorded requests."""

from typing import NamedTuple, Self

from envs.channel.placement import check_size
from envs.channel.process import ChannelProcess
from envs.config import WorldConfig
from envs.request_trace import RequestTrace


class Laws(NamedTuple):
    """What channels and requests are drawn by; made once, since it may read files.

    Attributes:
        config: of the world.
        channel: process of the channels.
        requests: the trace that is played; None where requests are drawn.
    """

    config: WorldConfig
    channel: ChannelProcess
    requests: RequestTrace | None

    @classmethod
    def of(cls, config: WorldConfig) -> Self:
        """Return the laws of a world.

        Raises:
            ValueError: a file cannot be read, or is too small for the world.
        """
        channel = config.made_channel()
        check_channel(channel, config)
        return cls(config, channel, RequestTrace.of(config))


def check_channel(channel: ChannelProcess, config: WorldConfig) -> None:
    """Check that a process has channels for a world.

    Raises:
        ValueError: it has fewer users, experts or slots.
    """
    check_size(channel, config.num_users, config.num_experts, config.episode_slots)
