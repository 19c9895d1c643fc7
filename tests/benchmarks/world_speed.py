"""Speed of the world: agent steps a second of the simulator, env steps of the PettingZoo view.

Every feature of the contention world is on, each step hands out the observations, and actions are
drawn beforehand. An agent step is a slot of one user, an env step a slot of all users of a world.
"""

import numpy as np
import pandas as pd
from contention import contention_world
from interleaved import Work, rates, summary
from matplotlib.figure import Figure
from report import Measurement, Told, bars, say_nothing

from envs import World, edge_experts_v0

SIZES = tuple((num_worlds, num_users) for num_users in (8, 32) for num_worlds in (1, 64, 1024))
VIEW_USERS = 8
NUM_EXPERTS = 30
AGENT_STEPS = "agent steps/s"
SLOTS = 50  # of an episode, a piece of work


def measure(
    sizes: tuple[tuple[int, int], ...] = SIZES,
    num_experts: int = NUM_EXPERTS,
    repeats: int = 5,
    seconds: float = 1.0,
    told: Told = say_nothing,
) -> list[Measurement]:
    """Rates of the world at each size, worlds x users x experts, and of the view."""
    worlds = {
        f"{num_worlds} x {num_users} x {num_experts}": episode(num_worlds, num_users, num_experts)
        for num_worlds, num_users in sizes
    }
    view = {
        f"PettingZoo, {VIEW_USERS} users x {num_experts} experts": view_episode(
            VIEW_USERS, num_experts
        )
    }
    measured = rates(worlds | view, repeats, seconds, told)
    return [
        summary("world", name, "rate", AGENT_STEPS if name in worlds else "env steps/s", values)
        for name, values in measured.items()
    ]


def draw(table: pd.DataFrame) -> Figure:
    """Agent steps a second at each size."""
    mine = table[table["benchmark"] == "world"]
    return bars(
        mine[mine["unit"] == AGENT_STEPS],
        "Agent steps per second, worlds $\\times$ users $\\times$ experts",
    )


def episode(num_worlds: int, num_users: int, num_experts: int) -> Work:
    """Plays a slot of all worlds; a new episode begins where one is over. Counts agent steps."""
    world = World(contention_world(num_users, num_experts), num_worlds, seed=0)
    actions = np.random.default_rng(0).integers(
        num_experts + 1, size=(SLOTS, num_worlds, num_users)
    )
    world.reset()

    def play() -> int:
        if world.done:
            world.reset()
        world.step(actions[world.slot.index % SLOTS])
        return num_worlds * num_users

    return play


def view_episode(num_users: int, num_experts: int) -> Work:
    """Plays a slot through PettingZoo's dictionaries. Counts env steps."""
    view = edge_experts_v0.parallel_env(contention_world(num_users, num_experts))
    rng = np.random.default_rng(0)
    agents = view.possible_agents
    actions = [
        dict(zip(agents, rng.integers(num_experts + 1, size=num_users).tolist(), strict=True))
        for _ in range(SLOTS)
    ]
    view.reset(seed=0)

    def play() -> int:
        if not view.agents:
            view.reset()
        view.step(actions[view.world.slot.index % SLOTS])
        return 1

    return play
