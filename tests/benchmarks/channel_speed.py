"""Cost of a slot under each channel process, and its ratio to that under iid in the same round."""

from dataclasses import replace

import numpy as np
from contention import contention_world
from interleaved import Work, rates, ratios, summary
from report import Measurement, Told, say_nothing

from envs import ChannelConfig, World

SLOTS = 50  # of an episode, whose beginning is measured too
CHANNELS = {
    "iid": ChannelConfig(),
    "gauss_markov": ChannelConfig(process="gauss_markov", correlation=0.9),
    # random waypoint, TR 38.901 UMi and Rayleigh fading
    "geometric": ChannelConfig(process="geometric", bandwidth_hz=1e6, geometry={}),  # type: ignore[arg-type]
}


def measure(
    num_worlds: int = 64,
    num_users: int = 16,
    num_experts: int = 30,
    repeats: int = 7,
    seconds: float = 1.0,
    told: Told = say_nothing,
) -> list[Measurement]:
    """Measure milliseconds of a slot of all worlds under each process, one after the other."""
    size = num_worlds, num_users, num_experts
    measured = rates(
        {name: _slots(channel, *size) for name, channel in CHANNELS.items()},
        repeats,
        seconds,
        told,
    )
    cost = {name: [1000 / rate for rate in of_rounds] for name, of_rounds in measured.items()}
    rows = [summary("channel", name, "slot", "ms", values) for name, values in cost.items()]
    for name in list(CHANNELS)[1:]:
        values = ratios(cost[name], cost["iid"])
        rows.append(summary("channel", name, "slot, over iid", "ratio", values))
    return rows


def _slots(channel: ChannelConfig, num_worlds: int, num_users: int, num_experts: int) -> Work:
    """Play a slot of all worlds; a new episode begins where one is over. Counts slots."""
    config = replace(contention_world(num_users, num_experts), channel=channel)
    world = World(config, num_worlds, seed=0)
    shape = SLOTS, num_worlds, num_users
    actions = np.random.default_rng(0).integers(num_experts + 1, size=shape)
    world.reset()

    def play() -> int:
        if world.done:
            world.reset()
        world.step(actions[world.slot.index % SLOTS])
        return 1

    return play
