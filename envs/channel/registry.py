"""Channel processes by name, and how one is made of the section `env.channel`."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from envs.channel.clipped import ClippedProcess
from envs.channel.process import GIVEN, ChannelProcess
from mechanisms.registry import Registry, nearest

CHANNELS: Registry[ChannelProcess] = Registry("channel process")
_Kind = TypeVar("_Kind", bound=type[ChannelProcess])


def register(name: str) -> Callable[[_Kind], _Kind]:
    """Return a decorator that registers a process, `env.channel.process: name`.

    Raises:
        TypeError: by the decorator, where the class is no `ChannelProcess`, lacks a method, or has
            a parameter that is of each expert.
        ValueError: by the decorator, where the name is taken.
    """

    def add(kind: _Kind) -> _Kind:
        if not (isinstance(kind, type) and issubclass(kind, ChannelProcess)):
            raise TypeError(f"channel process {name!r}: {kind!r} is no class of ChannelProcess")
        if inspect.isabstract(kind):
            missing = ", ".join(sorted(kind.__abstractmethods__))
            raise TypeError(f"channel process {name!r}: {kind.__name__} lacks {missing}")
        for taken in inspect.signature(kind).parameters.keys() & set(GIVEN):
            raise TypeError(
                f"channel process {name!r}: {taken} is no parameter, since each expert has its "
                f'own: read experts["{taken}"] in large_scale'
            )
        return CHANNELS.register(name)(kind)

    return add


def names() -> tuple[str, ...]:
    """Return the names of all processes, sorted."""
    return CHANNELS.names()


def keys_read(name: str, keys: Iterable[str]) -> list[str]:
    """Return those of `keys` that a process reads: its constructor has parameters of these names.

    Raises:
        ValueError: there is no process of that name.
    """
    known = inspect.signature(CHANNELS[name]).parameters
    return [key for key in keys if key in known]


def clips(name: str) -> bool:
    """Return true where a process keeps the SNR within `env.channel.snr_db`.

    Raises:
        ValueError: there is no process of that name.
    """
    kind = CHANNELS[name]
    return isinstance(kind, type) and issubclass(kind, ClippedProcess)


def make(name: str, keys: Mapping[str, Any], parameters: Mapping[str, Any]) -> ChannelProcess:
    """Make a process.

    Args:
        name: of the process.
        keys: of the section; the process is given those that it reads.
        parameters: of its own.

    Raises:
        ValueError: there is no process of that name, it takes no such parameter, lacks one, or
            refuses a value.
    """
    known = inspect.signature(CHANNELS[name]).parameters
    own = [parameter for parameter in known if parameter not in keys]
    for given in parameters:
        if given in keys:
            raise ValueError(f"{given!r} is a key of env.channel itself")
        if given not in own:
            raise ValueError(
                f"channel process {name!r} has no parameter {given!r}; {nearest(given, own)}"
            )
    for needed in own:
        if known[needed].default is inspect.Parameter.empty and needed not in parameters:
            raise ValueError(f"channel process {name!r} needs the parameter {needed!r}")
    return CHANNELS.make(name, **{key: keys[key] for key in keys_read(name, keys)}, **parameters)
