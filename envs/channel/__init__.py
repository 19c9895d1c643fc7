"""Fading channels: processes by name, and what follows from the SNR that they give.

    from envs.channel import ChannelProcess, register

    @register("rayleigh")
    @dataclass(frozen=True)
    class Rayleigh(ChannelProcess):
        ...

`env.channel.process` names a process, and `env.channel.parameters` holds its own parameters.
"""

from envs.arrays import Arrays
from envs.channel.clipped import ClippedProcess
from envs.channel.gauss_markov import GaussMarkov
from envs.channel.geometric import Geometric
from envs.channel.iid import Iid
from envs.channel.process import ChannelError, ChannelProcess, Positions
from envs.channel.registry import CHANNELS, names, register
from envs.channel.trace import Trace

__all__ = [
    "CHANNELS",
    "Arrays",
    "ChannelError",
    "ChannelProcess",
    "ClippedProcess",
    "GaussMarkov",
    "Geometric",
    "Iid",
    "Positions",
    "Trace",
    "names",
    "register",
]
