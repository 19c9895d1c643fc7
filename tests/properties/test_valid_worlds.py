"""Any valid configuration plays on, for 200 slots in `make nightly`, with every invariant."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import mechanisms
from envs import Clearing, World, edge_experts_v0, features, observation
from marl_moe.experiment.spec.reading import parse_experiment

Cases = Callable[[str], SearchStrategy[Any]]  # by mechanism
QUICK = 60, 40  # configurations and slots in `make test`
# in `make faults`; and nightly, with as many configurations as the profile has examples
CONFIGURATIONS, LONG = 200, 200
EXACT = 1e-9
BOOKED = {
    "user_charge": "charge",
    "user_gain": "gain",
    "payment": "payment",
    "cost": "edge_cost",
}  # clearing: step


class Books:
    """Sums over steps, to compare with what the clearings of an episode recorded."""

    def __init__(self) -> None:
        self.steps: dict[str, Any] = defaultdict(float)
        self.clearings: dict[str, Any] = defaultdict(float)
        self.size: dict[str, float] = defaultdict(float)
        self.last: Clearing | None = None

    def add(self, result: dict[str, Any]) -> None:
        for entry in BOOKED.values():
            self.steps[entry] += getattr(result, entry).sum(axis=-1)
            self.size[entry] += np.abs(getattr(result, entry)).sum()

    def close(self, clearing: Clearing | None) -> None:
        if clearing is not None and clearing is not self.last:
            for name, entry in BOOKED.items():
                self.clearings[entry] += getattr(clearing, name).sum(axis=-1)
        self.last = clearing

    def settle(self) -> None:
        for entry in BOOKED.values():
            assert (
                np.abs(self.clearings[entry] - self.steps[entry]) <= EXACT * self.size[entry]
            ).all(), entry
        self.__init__()


def check_step(world: World, mask: np.ndarray, actions: np.ndarray, result: tuple) -> None:
    """Check one slot, given the mask and the choices that it was played with."""
    seen, reward, result = result
    assert reward.dtype == seen.dtype == np.float32
    assert np.isfinite(reward).all()
    for name, values in result._asdict().items():
        values = values[~np.isnan(values)] if name in ("utility", "local_utility") else values
        assert np.isfinite(values).all(), name
    charge, payment = result.charge.sum(axis=-1), result.payment.sum(axis=-1)
    size = EXACT * (np.abs(result.charge).sum(axis=-1) + np.abs(result.payment).sum(axis=-1))
    assert (np.abs(charge - payment - result.platform_balance) <= size).all()
    if not world.mechanism.allocates:
        assert (np.abs(result.platform_balance) <= size).all()  # users pay what edge devices get
    allowed = np.take_along_axis(mask, actions[..., None], axis=-1)[..., 0]
    assert result.rejected[~allowed].all()
    assert not result.transferred[~allowed].any()
    asks = allowed & (actions < mask.shape[-1] - 1)
    # who asks is served, turned away or declined, and nobody else is any of these
    ends = result.transferred.astype(int) + result.rejected + result.declined
    assert (ends[asks] == 1).all()
    assert not (result.transferred | result.declined)[~asks].any()
    turned_away = result.rejected & allowed
    assert (turned_away <= asks).all()
    if not world.config.limits_places and world.market.balance is None:
        assert not turned_away.any()
    assert (result.load <= world.pool.max_concurrent).all()
    if world.market.balance is not None:  # what budgets to date leave after all payments
        budgets = world.market.income * world.slot.index
        assert (world.market.balance >= -EXACT * budgets).all()
    assert not (result.refused & result.pending).any()
    if mechanisms.is_free(world.mechanism):
        assert not payment.any()
        assert not result.declined.any()
    else:
        earned, borne = result.payment, result.edge_cost
        assert (earned - borne >= -1e-6 * (earned + borne)).all()  # no edge device loses
        assert not result.harm.any()


def check_sight(world: World) -> None:
    """Check that observations lie in their space, hold the mask, and everybody may do something."""
    seen, mask = world.slot.observation, world.slot.mask
    low, high = observation.bounds(world.config, world.mechanism.allocates)
    outside = (seen < low) | (seen > high) | ~np.isfinite(seen)
    columns = observation.column_names(world.config, world.mechanism.allocates)
    assert not outside.any(), [
        (columns[c], seen[..., c].min(), seen[..., c].max())
        for c in np.unique(np.argwhere(outside)[:, -1])
    ]
    assert mask.any(axis=-1).all()
    width = len(features.expert_features(world.config, world.mechanism.allocates))
    of_user = len(features.user_features(world.config))
    assert (seen[..., of_user::width] == mask[..., :-1]).all()


def play(world: World, twin: World, rng: np.random.Generator, slots: int = LONG) -> None:
    """Play some slots, in two worlds equal bit for bit where a twin of seed or state is at hand."""
    books = Books()
    together = 20  # slots that are left to the twin
    assert world.reset().tobytes() == twin.reset().tobytes()
    for _ in range(slots):
        check_sight(world)
        mask = world.slot.mask
        actions = rng.integers(mask.shape[-1], size=mask.shape[:2])
        result = world.step(actions)
        if together > 0:
            again = twin.step(actions)
            assert result[0].tobytes() == again[0].tobytes()
            assert result[1].tobytes() == again[1].tobytes()
            assert all(
                values.tobytes() == repeated.tobytes()
                for values, repeated in zip(result[2], again[2], strict=True)
            )
            together -= 1
        check_step(world, mask, actions, result)
        books.add(result[2])
        books.close(world.closed_clearing)
        worlds = (world, twin) if together > 0 else (world,)
        chance = rng.random()
        if world.done:
            books.settle()
            assert len({world_.reset().tobytes() for world_ in worlds}) == 1
        elif chance < 0.02 and world.num_experts < 14:
            for world_ in worlds:
                world_.add_experts(2)
            books.close(world.closed_clearing)
        elif chance < 0.04:
            twin, together = (
                World(world.config, world.num_worlds, seed=0, mechanism=world.mechanism),
                10,
            )
            twin.set_state(world.get_state())
        elif chance < 0.05:
            books = Books()
            seed = int(rng.integers(2**32))
            assert len({world_.reset(seed).tobytes() for world_ in worlds}) == 1


def check_agents(
    config: Any, mechanism: mechanisms.Mechanism, seed: int, rng: np.random.Generator
) -> None:
    """Play an episode through PettingZoo and check that observations lie in the agents' space."""
    env = edge_experts_v0.parallel_env(config, mechanism)
    seen, infos = env.reset(seed)
    for _ in range(20):
        assert all(env.observation_space(agent).contains(seen[agent]) for agent in env.agents)
        if not env.agents:
            break
        actions = {
            agent: int(rng.choice(np.flatnonzero(infos[agent]["action_mask"])))
            for agent in env.agents
        }
        seen, rewards, _, _, infos = env.step(actions)
        assert np.isfinite(list(rewards.values())).all()


def key_of(env: dict[str, Any], key: str) -> Any:
    value: Any = env
    for part in key.split("."):
        value = value[part]
    return value


def test_no_field_of_a_configuration_is_forgotten(cases: Cases, fields: list[Any]) -> None:
    varied: dict[str, set[str]] = {field.key: set() for field in fields}

    # The same draws each time: which field a few hundred leave out by chance would differ else.
    @settings(max_examples=400, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        case = data.draw(cases(data.draw(st.sampled_from(mechanisms.names()))))
        for key, values in varied.items():
            values.add(str(key_of(case.env, key)))

    draw()
    # `lost` asks for a way of one's own (tests/envs/channel/test_coverage_in_time.py).
    same = [key for key, values in varied.items() if len(values) < 2]
    assert same == ["experts.handover"]


@pytest.mark.parametrize(
    ("configurations", "slots"),
    [QUICK, pytest.param(CONFIGURATIONS, LONG, marks=pytest.mark.faults)],
)
@pytest.mark.parametrize("name", mechanisms.names())
def test_any_valid_configuration_plays_on_with_conserved_payments_and_what_is_seen_in_its_space(
    cases: Cases, name: str, configurations: int, slots: int
) -> None:
    configurations = max(configurations, settings().max_examples)

    @settings(
        max_examples=-(-configurations // len(mechanisms.names())),
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(cases(name))
    def played(case: Any) -> None:
        spec = parse_experiment(
            {"name": "any", "env": case.env, "mechanism": case.mechanism}, "any.yaml"
        )
        mechanism = mechanisms.make(**spec.mechanism.parameters())
        try:
            worlds = [World(spec.env, case.num_worlds, case.seed, mechanism) for _ in range(2)]
        except mechanisms.MechanismError as error:  # of costs that no price in double precision has
            if "times are settled" not in str(error):
                raise
            reject()
        rng = np.random.default_rng(case.seed)
        with np.errstate(divide="raise", invalid="raise", over="ignore"):
            play(*worlds, rng, slots)
            check_agents(spec.env, mechanism, case.seed, rng)

    played()
