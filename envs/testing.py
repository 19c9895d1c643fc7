"""Checks that hold for every channel process, for use in the tests of whoever writes one.

    from envs.testing import check_channel

    def test_my_channel_is_a_channel():
        check_channel(Rayleigh(exponent=3.0))  # the process alone
        check_channel("rayleigh")  # and in a world, by the name that it is registered with

What the process is meant to model, such as a distribution or a correlation, is for tests of its
own. A generator of its own with a fixed seed is found where it draws an array alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import numpy as np

from envs import observation
from envs.arrays import Arrays
from envs.channel.config import ChannelConfig
from envs.channel.fading import FadingChannel
from envs.channel.placement import Placement, given_of_experts, locked
from envs.channel.process import ChannelError, ChannelProcess, Shape
from envs.channel.rates import SHANNON
from envs.config import WorldConfig
from envs.sections import ObservationConfig
from envs.world import World

SHAPE, SLOTS, SLOT_S = (3, 4, 5), 6, 6.0
_Make = Callable[[], ChannelProcess]


def check_channel(channel: ChannelProcess | ChannelConfig | str, *, random: bool = True) -> None:
    """Check a channel process: shapes, randomness, state, columns; in a world where it has a name.

    Args:
        channel: the process, or the section `env.channel` that names it, or its name.
        random: False where nothing is drawn, so that every seed gives the same.

    Raises:
        AssertionError: a check fails; the message says which.
    """
    if isinstance(channel, str):
        channel = ChannelConfig(process=channel)
    make: _Make
    if isinstance(channel, ChannelConfig):
        make = channel.made
    else:
        pristine = deepcopy(channel)

        def make() -> ChannelProcess:
            return deepcopy(pristine)

    with _faults_told():
        for shape in (SHAPE, (1, 1, 1)):
            check_slots(make, shape)
        check_seeds(make, random=random)
        check_state(make)
        check_columns(make)
        check_newcomers(make)
        check_parts(make)
        if isinstance(channel, ChannelConfig):
            check_world(channel)


def check_slots(make: Callable[[], ChannelProcess], shape: Shape) -> None:
    """Check arrays, SNR and spectral efficiency of some slots."""
    fading = _begun(make(), seed=0, shape=shape)
    for _ in range(SLOTS):
        for name, array in fading.state.items():
            _require(array.dtype.kind in "fiub", f"array {name!r} holds no numbers: {array.dtype}")
            _require(
                array.dtype.kind != "f" or array.dtype.itemsize <= 4,
                f"array {name!r} is {array.dtype}, should be in single precision (float32)",
            )
            _require(np.isfinite(array).all(), f"array {name!r} is not finite")
        snr_db = fading.process.snr_of(fading.state)
        _require(snr_db.dtype == np.float32, f"the SNR is {snr_db.dtype}, should be float32")
        efficiency = np.log2(1 + 10 ** (snr_db.astype(float) / 10))
        _require(np.array_equal(fading.links.snr_db, snr_db), "the SNR was changed")
        _require(
            np.allclose(fading.links.efficiency, efficiency, rtol=1e-4, atol=0),
            "the spectral efficiency is not log2(1 + SNR)",
        )
        _ = fading.positions  # raises where they are no places
        links, before = fading.links, snr_db.copy()
        fading.advance()
        _require(
            np.array_equal(links.snr_db, before),
            "the SNR of a slot changes with the next: it writes into an array that it gave",
        )


def check_seeds(make: Callable[[], ChannelProcess], *, random: bool = True) -> None:
    """Check that a seed repeats, and that another gives other draws."""
    process = make()
    first = list(_played(_begun(process, seed=0)))
    for again, words in (
        (
            make(),
            "two builds from one seed differ: something is drawn from a generator other than "
            "the one handed over, or kept outside of the arrays",
        ),
        (
            process,
            "a second episode from the same seed differs: the process keeps something of the first",
        ),
    ):
        second = list(_played(_begun(again, seed=0)))
        _require(all(map(_same, first, second)), words)
    if not random:
        return
    other = list(_played(_begun(make(), seed=1)))
    for name in first[0]:
        varies = any(np.ptp(state[name], axis=0).any() for state in first)  # from world to world
        same = all(
            np.array_equal(ours[name], theirs[name])
            for ours, theirs in zip(first, other, strict=True)
        )
        _require(
            not (varies and same),
            f"{name!r} is the same under another seed: it is drawn from a generator other than the "
            "one handed over (`random=False` where nothing is drawn)",
        )
    _require(not all(map(_same, first, other)), "another seed gives the same SNR")


def check_state(make: Callable[[], ChannelProcess]) -> None:
    """Check that a channel goes on from its state bit for bit, in another of the same make."""
    for slots in (0, 1, SLOTS):
        original, restored = _begun(make(), seed=0), _begun(make(), seed=1)
        for _ in range(slots):
            original.advance()
        for _ in range(2):
            restored.advance()
        state = original.get_state()
        restored.set_state(state)
        restored.rng.bit_generator.state = original.rng.bit_generator.state
        for ours, theirs in zip(_played(original), _played(restored), strict=True):
            _require(
                _same(ours, theirs),
                "it does not go on from its state: what matters to the next slot is kept outside "
                "of the arrays",
            )


def check_columns(make: Callable[[], ChannelProcess]) -> None:
    """Check that columns can be kept and the others left out."""
    fading, whole = _begun(make(), seed=0), _begun(make(), seed=0)
    num_worlds, num_users, num_columns = SHAPE
    everything = np.broadcast_to(np.arange(num_columns), SHAPE)
    fading.keep(everything)
    for ours, theirs in zip(_played(fading), _played(whole), strict=True):
        _require(_same(ours, theirs), "keeping all columns changes what follows")
    rng = np.random.default_rng(2)
    column = np.sort(np.argsort(rng.random(SHAPE), axis=-1)[..., :2], axis=-1)
    fading.keep(column)
    expected = np.take_along_axis(whole.links.snr_db, column, axis=-1)
    _require(np.array_equal(fading.links.snr_db, expected), "columns kept have another SNR")
    fading.advance()
    shape = fading.links.snr_db.shape
    _require(shape == (num_worlds, num_users, 2), f"two columns kept become {shape}")


def check_newcomers(make: Callable[[], ChannelProcess]) -> None:
    """Check that experts can be added, and leave the channels of the others alone."""
    fading = _begun(make(), seed=0)
    fading.advance()
    before = fading.links.snr_db
    fading.add_experts(2, _given(2))
    after = fading.links.snr_db
    _require(after.shape == (*SHAPE[:2], SHAPE[2] + 2), f"two experts more, and {after.shape}")
    _require(
        np.array_equal(after[..., : SHAPE[2]], before),
        "experts that are added change the channels of the others",
    )
    fading.advance()
    mean_db = fading.mean_db  # raises where it is of another shape
    _require(mean_db is None or mean_db.shape == after.shape, "mean_db forgets newcomers")


def check_parts(make: Callable[[], ChannelProcess]) -> None:
    """Check that pairs can be drawn a few users at a time, as for candidate lists."""
    rng = np.random.default_rng(0)
    placement = Placement(make(), *SHAPE[:2], _given(SHAPE[2]), rng)
    whole = placement.pairs()
    part, _ = placement.pairs_of(1, 6)
    _require(part.keys() == whole.keys(), "large_scale gives other arrays for a part of the users")


def check_world(channel: ChannelConfig) -> None:
    """Check a registered process in a world: what is seen, resuming, resets, lists, newcomers."""
    for listed in (None, 4):
        config = WorldConfig(
            num_users=SHAPE[1],
            num_experts=8,
            episode_slots=SLOTS,
            channel=channel,
            observation=ObservationConfig(candidates=listed),
        )
        config = WorldConfig(**config.as_dict())  # as it reaches env runners
        world, idle = World(config, num_worlds=2, seed=0), World(config, num_worlds=2, seed=0)
        rng = np.random.default_rng(0)
        for slot in range(3 * SLOTS):
            if world.done:
                world.reset()
                idle.reset()
            if slot == SLOTS + 2:
                world.add_experts(3)
                idle.add_experts(3)
            _check_sight(world)
            if slot == SLOTS + 4:
                idle = World(replace(world.config), num_worlds=2, seed=5)
                idle.set_state(world.get_state())
            shape = world.num_worlds, world.num_users
            world.step(rng.integers(world.num_candidates + 1, size=shape))
            idle.step(np.full(shape, world.num_candidates))
            _require(
                np.array_equal(
                    world.slot.conditions.links.snr_db, idle.slot.conditions.links.snr_db
                ),
                "two worlds of one seed or state have other channels where users act otherwise",
            )


def _check_sight(world: World) -> None:
    """Require that observations lie in their space."""
    seen = world.slot.observation
    low, high = observation.bounds(world.config)
    names = np.array(observation.column_names(world.config))
    outside = names[((seen < low) | (seen > high) | ~np.isfinite(seen)).any(axis=(0, 1))]
    _require(not outside.size, f"observations out of bounds: {', '.join(outside[:3])}")


def _begun(process: ChannelProcess, seed: int, shape: Shape = SHAPE) -> FadingChannel:
    given = _given(shape[2], num_worlds=shape[0])
    placement = Placement(process, *shape[:2], given, np.random.default_rng(seed))
    return FadingChannel(placement, placement.pairs(), shape, rate=SHANNON, slot_s=SLOT_S)


def _given(num_experts: int, num_worlds: int = SHAPE[0]) -> Arrays:
    """Return band and power of experts, which differ."""
    given = given_of_experts(1000.0, 0.1, (num_worlds, num_experts))
    factor = np.linspace(1, 2, num_experts, dtype=np.float32)
    return {name: locked(array * factor) for name, array in given.items()}


def _played(fading: FadingChannel) -> Iterator[Arrays]:
    """Yield copies of state and SNR of some slots."""
    for _ in range(SLOTS):
        yield fading.get_state() | {"SNR": fading.links.snr_db.copy()}
        fading.advance()


def _same(ours: Arrays, theirs: Arrays) -> bool:
    return ours.keys() == theirs.keys() and all(
        np.array_equal(array, theirs[name]) for name, array in ours.items()
    )


@contextmanager
def _faults_told() -> Iterator[None]:
    """Raise faults that the process is found in as AssertionErrors."""
    try:
        yield
    except ChannelError as error:
        if "read-only" in str(error.__cause__):
            raise AssertionError("the process writes into an array that it is given") from error
        raise AssertionError(str(error)) from error


def _require(holds: object, words: str) -> None:
    if not holds:
        raise AssertionError(words)
