"""The loads that strangers make and respond to, against their definition."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

import mechanisms
from envs import ChannelConfig, ExpertConfig, ObservationConfig, RequestConfig, World, WorldConfig
from envs.load_equilibrium import LoadEquilibrium
from envs.poisson_load import ByLoad
from envs.prospects import expected_gain
from envs.strangers import Strangers

USERS, EXPERTS, WORLDS = 7, 5, 3
CONFIG = WorldConfig(
    num_users=USERS,
    num_experts=EXPERTS,
    requests=RequestConfig(num_transferred=1),
    channel=ChannelConfig(bandwidth_hz=4e3),
    experts=ExpertConfig(unit_cost=(0.1, 1.0), availability_probability=0.7),
)
SCALE = np.array([0.05, 0.1, 0.2])


def equilibrium(config: WorldConfig = CONFIG, mechanism: str = "none", seed: int = 0):
    """Return strangers on the way, and the arguments of their steps."""
    world = World(config, WORLDS, seed=seed, mechanism=mechanisms.make(mechanism))
    slot = world.slot
    strangers = Strangers(slot.conditions, 40, np.random.default_rng(0))
    met = strangers.meet(
        replace(slot.conditions, available=np.ones_like(world.available)), slot.offer
    )
    gains = ByLoad(lambda load: expected_gain(met.conditions, met.offer, load), USERS - 1)
    first = (USERS - 1) * slot.conditions.attraction
    arguments = gains.expected, np.isneginf(met.alone), SCALE, world.available
    return LoadEquilibrium(strangers, USERS - 1, first), arguments, met, strangers


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
@pytest.mark.parametrize("candidates", [None, 3])
def test_loads_become_those_of_strangers_who_answer_them(
    mechanism: str, candidates: int | None
) -> None:
    """The share of choices is counted stranger by stranger."""
    config = replace(CONFIG, observation=ObservationConfig(candidates=candidates))
    on_the_way, arguments, met, strangers = equilibrium(config, mechanism)
    off = [np.abs(on_the_way.step(*arguments)).max() for _ in range(150)]
    assert off[0] > 0.3
    assert off[-1] < 1e-3
    up = arguments[3]
    others = on_the_way.others(up)
    at_load = np.stack(
        [expected_gain(met.conditions, met.offer, load) for load in range(1, USERS + 1)]
    )
    come = np.zeros((WORLDS, EXPERTS))
    num_strangers = met.alone.shape[1]
    for n, s in np.ndindex(WORLDS, num_strangers):
        expert = np.broadcast_to(strangers.candidates.expert, met.alone.shape)[n, s]
        gain = np.full(len(expert) + 1, -np.inf)
        gain[-1] = 0
        for c, e in enumerate(expert):
            if up[n, e] and np.isfinite(met.alone[n, s, c]):
                law = stats.poisson.pmf(np.arange(USERS), others[n, e])
                law[-1] += stats.poisson.sf(USERS - 1, others[n, e])
                values = at_load[:, n, s, c].copy()
                values[5] = (values[4] + values[6]) / 2  # evaluated beside 0 to 4 and 6 others
                gain[c] = law @ values
        np.add.at(come[n], expert, special.softmax(gain / SCALE[n])[:-1])
    np.testing.assert_allclose((USERS - 1) * come / num_strangers, others, atol=3e-3)


def test_experts_that_are_down_draw_nobody_and_are_expected_as_before_when_they_are_up() -> None:
    on_the_way, (expected, closed, scale, _), _, _ = equilibrium()
    every = np.ones((WORLDS, EXPERTS), bool)
    for _ in range(100):
        on_the_way.step(expected, closed, scale, every)
    before = on_the_way.others(every)
    down = every.copy()
    down[:, 1] = False
    for _ in range(100):
        on_the_way.step(expected, closed, scale, down)
    assert (on_the_way.others(down)[:, 1] == 0).all()
    assert (on_the_way.others(down).sum(axis=-1) > before[:, [0, 2, 3, 4]].sum(axis=-1)).all()
    np.testing.assert_array_equal(on_the_way.others(every)[:, 1], before[:, 1])


def test_it_goes_on_from_its_state_to_the_bit() -> None:
    (first, arguments, _, _), (second, _, _, _) = equilibrium(), equilibrium()
    for _ in range(3):
        first.step(*arguments)
    second.set_state(first.get_state())
    for _ in range(3):
        np.testing.assert_array_equal(first.step(*arguments), second.step(*arguments))
