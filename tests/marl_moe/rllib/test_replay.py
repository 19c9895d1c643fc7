"""The ring against a list of episodes: what it returns, what it forgets, what it costs."""

import tracemalloc
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from scipy import stats

from marl_moe.rllib.replay import Fragment, ReplayRing

WORLDS, USERS, GAMMA = 2, 3, 0.9
EVERYBODY = np.arange(USERS)


@dataclass
class Runner:
    """Sender of fragments like an env runner's; each observation is a number of its own."""

    index: int
    episode_slots: int
    clock: Iterator[int]
    rng: np.random.Generator
    slot: int = 0
    last: np.ndarray | None = None  # the open end of the fragment before

    def observe(self) -> np.ndarray:
        return next(self.clock) * 100 + np.arange(WORLDS)[:, None] * 10 + np.arange(USERS)

    def fragment(self, slots: int) -> Fragment:
        continues = self.last is not None
        seen = self.last if continues else self.observe()
        rows, actions, rewards, starts = [], [], [], []
        for _ in range(slots):
            rows.append(seen)
            actions.append(self.rng.integers(5, size=(WORLDS, USERS)))
            rewards.append(self.rng.normal(size=(WORLDS, USERS)))
            starts.append(True)
            seen, self.slot, self.last = self.observe(), self.slot + 1, None
            if self.slot % self.episode_slots == 0:
                rows.append(seen)
                starts.append(False)
                seen = self.observe()
        if starts[-1]:
            rows.append(seen)
            starts.append(False)
            self.last = seen
        width = (len(starts), WORLDS, USERS)
        columns = {"action": np.zeros(width, np.int64), "reward": np.zeros(width, np.float32)}
        columns["action"][starts] = actions
        columns["reward"][starts] = rewards
        observation = np.stack(rows).astype(np.float32)[..., None]
        return Fragment(
            observation, **columns, starts=np.array(starts), runner=self.index, continues=continues
        )


@dataclass
class Episodes:
    """The oracle: stretches of consecutive slots of one world and user as plain lists."""

    n_step: int
    stretches: list[dict[str, list]] = field(default_factory=list)
    open_end_of: int | None = None

    def add(self, fragment: Fragment) -> None:
        joins = fragment.continues and self.open_end_of == fragment.runner
        for row, starts in enumerate(fragment.starts):
            if row == 0 and joins:
                self.stretches[-1]["observation"].pop()
            elif row == 0 or not fragment.starts[row - 1]:
                self.stretches.append({"observation": [], "action": [], "reward": []})
            self.stretches[-1]["observation"].append(fragment.observation[row])
            if starts:
                self.stretches[-1]["action"].append(fragment.action[row])
                self.stretches[-1]["reward"].append(fragment.reward[row])
        self.open_end_of = fragment.runner

    def expected(self) -> dict[float, tuple[int, float, float, float]]:
        """{observation: (action, n-step return, observation to bootstrap from, its discount)}."""
        transitions = {}
        for stretch in self.stretches:
            for start in range(len(stretch["action"])):
                steps = min(self.n_step, len(stretch["action"]) - start)
                for world in range(WORLDS):
                    for user in range(USERS):
                        cell = (world, user)
                        total = sum(
                            GAMMA**k * stretch["reward"][start + k][cell] for k in range(steps)
                        )
                        bootstrap = stretch["observation"][start + steps][cell][0]
                        key = float(stretch["observation"][start][cell][0])
                        transitions[key] = (
                            stretch["action"][start][cell],
                            total,
                            float(bootstrap),
                            GAMMA**steps,
                        )
        return transitions


def new_runners(episode_slots: int) -> list[Runner]:
    clock = iter(range(1, 100_000))
    return [Runner(i, episode_slots, clock, np.random.default_rng(i)) for i in range(2)]


def drawn(
    ring: ReplayRing, size: int = 20_000, users: np.ndarray = EVERYBODY, seed: int = 0
) -> dict[float, tuple]:
    """Each distinct transition that sampling returned."""
    seen, action, total, bootstrap, discount = ring.sample(size, users, np.random.default_rng(seed))
    rows = zip(seen[:, 0], action, total, bootstrap[:, 0], discount, strict=True)
    return {float(key): (int(a), float(r), float(b), float(d)) for key, a, r, b, d in rows}


def assert_same(found: dict[float, tuple], expected: dict[float, tuple]) -> None:
    assert found.keys() == expected.keys()
    for key, transition in expected.items():
        assert found[key] == pytest.approx(transition, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("episode_slots", [4, 7, 50])
@pytest.mark.parametrize("n_step", [1, 3, 8])
def test_samples_are_the_n_step_transitions_of_the_episodes(
    n_step: int, episode_slots: int
) -> None:
    ring, oracle, runners = (
        ReplayRing(10_000, n_step, GAMMA),
        Episodes(n_step),
        new_runners(episode_slots),
    )
    for index in (0, 0, 1, 0, 1, 1, 1, 0):
        fragment = runners[index].fragment(slots=5)
        ring.add(fragment)
        oracle.add(fragment)
    expected = oracle.expected()
    assert len(ring) == len(expected) == 8 * 5 * WORLDS * USERS
    assert_same(drawn(ring), expected)


def test_returns_of_an_episode_of_ones_are_the_geometric_sums() -> None:
    ring = ReplayRing(1000, n_step=3, gamma=0.5)
    observation = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1)
    rows = np.zeros((5, 1, 1))
    starts = np.array([True] * 4 + [False])
    ring.add(
        Fragment(
            observation,
            rows.astype(int),
            rows.astype(np.float32) + 1,
            starts,
            runner=0,
            continues=False,
        )
    )
    found = {key: values[1:] for key, values in drawn(ring, 200, users=np.array([0])).items()}
    assert found == {0: (1.75, 3, 0.125), 1: (1.75, 4, 0.125), 2: (1.5, 4, 0.25), 3: (1, 4, 0.5)}


def test_n_steps_cross_from_a_fragment_to_the_one_that_continues_it() -> None:
    runner = new_runners(episode_slots=100)[0]
    ring = ReplayRing(1000, n_step=2, gamma=GAMMA)
    first, second = runner.fragment(3), runner.fragment(3)
    ring.add(first)
    ring.add(second)
    last_slot = float(first.observation[2, 0, 0, 0])
    _, total, bootstrap, discount = drawn(ring)[last_slot]
    assert total == pytest.approx(first.reward[2, 0, 0] + GAMMA * second.reward[0, 0, 0], rel=1e-5)
    assert bootstrap == second.observation[1, 0, 0, 0]
    assert discount == pytest.approx(GAMMA**2)


def test_n_steps_end_with_the_fragment_where_another_runner_came_between() -> None:
    one, other = new_runners(episode_slots=100)
    ring = ReplayRing(1000, n_step=2, gamma=GAMMA)
    first, between, second = one.fragment(3), other.fragment(3), one.fragment(3)
    for fragment in (first, between, second):
        ring.add(fragment)
    last_slot = float(first.observation[2, 0, 0, 0])
    _, total, bootstrap, discount = drawn(ring)[last_slot]
    assert total == pytest.approx(first.reward[2, 0, 0], rel=1e-5)
    assert bootstrap == first.observation[3, 0, 0, 0]
    assert discount == pytest.approx(GAMMA)


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("lost", ["on the way", "with its runner"])
def test_no_transition_reaches_across_a_fragment_that_was_lost(n_step: int, lost: str) -> None:
    """A runner that was late goes on; one that was restarted begins anew, under the same number."""
    runner, ring = new_runners(episode_slots=100)[0], ReplayRing(1000, n_step, GAMMA)
    first = runner.fragment(3)
    if lost == "with its runner":
        runner = Runner(runner.index, 100, runner.clock, runner.rng)
    runner.fragment(3)  # never arrives
    third = runner.fragment(3)
    assert third.continues
    oracle = Episodes(n_step)
    for fragment in (first, replace(third, continues=False)):
        ring.add(fragment if fragment is first else third)
        oracle.add(fragment)
    assert_same(drawn(ring), oracle.expected())


@pytest.mark.parametrize("episode_slots", [6, 50])
@pytest.mark.parametrize("order", [(0,) * 9, (0, 1) * 5, (0, 0, 1, 1, 1, 0, 1)])
def test_a_full_ring_holds_the_newest_rows_and_nothing_else(
    order: tuple[int, ...], episode_slots: int
) -> None:
    rows_held = 14
    ring = ReplayRing(rows_held * WORLDS * USERS + 5, 3, GAMMA)
    oracle, runners = Episodes(3), new_runners(episode_slots)
    for index in order:
        fragment = runners[index].fragment(slots=4)
        ring.add(fragment)
        oracle.add(fragment)
        rows = [row for stretch in oracle.stretches for row in stretch["observation"]][-rows_held:]
        newest = {float(value) for row in rows for value in row.ravel()}
        expected = {key: value for key, value in oracle.expected().items() if key in newest}
        assert_same(drawn(ring), expected)
        assert len(ring) == len(expected)
    assert len(oracle.expected()) > len(ring)


@pytest.mark.parametrize("fragments", [0, 1, 3, 7])
def test_a_ring_continues_from_the_state_of_another_bit_for_bit(fragments: int) -> None:
    one, other = (ReplayRing(14 * WORLDS * USERS, 3, GAMMA) for _ in range(2))
    runners = new_runners(episode_slots=6)
    for _ in range(fragments):
        one.add(runners[0].fragment(4))
    state = deepcopy(one.get_state())
    assert (
        sum(column.nbytes for column in state["columns"].values())
        <= (4 + 8 + 4) * 14 * WORLDS * USERS + 2 * 14
    )
    assert len(state["columns"].get("starts", [])) == min(
        14, 4 * fragments + (2 * fragments + 1) // 3
    )
    other.add(runners[1].fragment(4))  # replaced
    other.set_state(state)
    assert len(other) == len(one)
    for _ in range(3):
        fragment = runners[0].fragment(4)
        one.add(fragment)
        other.add(fragment)
        for mine, restored in zip(
            one.sample(50, EVERYBODY, np.random.default_rng(7)),
            other.sample(50, EVERYBODY, np.random.default_rng(7)),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, restored)


def test_a_state_of_another_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="a state of capacity 100, where the capacity is 50"):
        ReplayRing(50, 1, GAMMA).set_state(ReplayRing(100, 1, GAMMA).get_state())


def test_only_the_asked_users_are_drawn() -> None:
    ring, runner = ReplayRing(1000, 1, GAMMA), new_runners(4)[0]
    ring.add(runner.fragment(5))
    assert {int(key) % 10 for key in drawn(ring, users=np.array([0, 2]))} == {0, 2}


def test_every_transition_is_drawn_equally_often() -> None:
    ring, runner = ReplayRing(1000, 2, GAMMA), new_runners(4)[0]
    for _ in range(3):
        ring.add(runner.fragment(5))
    seen = ring.sample(45_000, EVERYBODY, np.random.default_rng(1))[0]
    _, counts = np.unique(seen, return_counts=True)
    assert len(counts) == len(ring) == 90
    assert stats.chisquare(counts).pvalue > 1e-3


def test_each_observation_is_held_once() -> None:
    capacity, features = 20_000, 100
    observation = np.ones((11, 4, 5, features), np.float32)
    rows = np.zeros(observation.shape[:-1])
    starts = np.array([True] * 10 + [False])
    fragment = Fragment(
        observation,
        rows.astype(np.int64),
        rows.astype(np.float32),
        starts,
        runner=0,
        continues=False,
    )
    ring = ReplayRing(capacity, 3, GAMMA)
    tracemalloc.start()
    for _ in range(150):  # 1,650 rows, over the 1,000 that fit
        ring.add(fragment)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 1.0 < held / (capacity * features * 4) < 1.1
