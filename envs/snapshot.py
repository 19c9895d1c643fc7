"""Everything that a world is in, taken out of it and put back: from there it goes on bit for bit."""

from typing import TYPE_CHECKING

from envs.candidates import Candidates
from envs.experts import ExpertPool
from envs.state import OrNone, State, check, put, taken

if TYPE_CHECKING:
    from envs.world import World

_OWN = (
    "slot",
    "available",
    "load",
    "recent_load",
    "last_expert",
    "backlog_s",
    "fresh",
)  # beside those of the parts


def taken_of(world: "World") -> State:
    """See `World.get_state`."""
    return taken(world, _OWN) | {
        "pool": world.pool.get_state(),
        "candidates": world.candidates.get_state(),
        "channel": world.channel.get_state(),
        "requests": world.requests.get_state(),
        "accounts": world.accounts.get_state(),
        "market": world.market.get_state(),
        "rng": {name: rng.bit_generator.state for name, rng in world.rng.items()},
    }


def put_into(world: "World", state: State) -> None:
    """See `World.set_state`."""
    like = taken_of(world)
    like["market"]["closed"] = OrNone(like["market"]["under_way"])
    check(state, like)
    for name, rng in world.rng.items():
        rng.bit_generator.state = state["rng"][name]
    put(world, _OWN, state)
    world.pool = ExpertPool.from_state(state["pool"])
    world.candidates = Candidates.from_state(state["candidates"], world.num_experts)
    world.channel.set_state(state["channel"])
    world.requests.set_state(state["requests"])
    world.accounts.set_state(state["accounts"])
    world.market.set_state(state["market"], world.pool)
    world.expect_crowds()
    world.refresh()
