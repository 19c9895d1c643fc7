"""Metrics of a researcher's own: registered, checked, and their means against a world by hand."""

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import Slot, SlotResult, World, WorldConfig
from envs.candidates import Candidates
from envs.read_only import read_only
from marl_moe.errors import MetricError
from marl_moe.experiment.study.evaluation import evaluate, make_heuristic, worlds_at_once
from marl_moe.metrics import METRICS, Metric, MetricSums, check_metrics, register
from marl_moe.seeds import evaluation_seed


def metric_of(function: Callable[..., Any], name: str = "mine") -> Metric:
    return Metric(name, "1", "anything", function)


@pytest.fixture
def played(patchy_world: WorldConfig) -> tuple[Slot, SlotResult, World]:
    """A slot of 4 worlds in which users chose by lot, its result, and the worlds after it."""
    world = World(patchy_world, 4, seed=1, mechanism=mechanisms.make("posted_price"))
    slot = world.slot
    _, _, result = world.step(make_heuristic("random", 0).act(slot))
    return slot, result, world


@pytest.mark.parametrize("episodes", [3, 5])
def test_an_episodes_mean_is_that_of_its_values_in_the_same_world_stepped_by_hand(
    small_world: WorldConfig, metrics: None, episodes: int
) -> None:
    free = mechanisms.make("none")  # edge devices that are paid decline what would be late
    narrow = replace(small_world.channel, bandwidth_hz=400.0)
    small_world = replace(small_world, channel=narrow)
    names = ["late", "utilisation", "backlog"]
    scores = evaluate(
        make_heuristic("greedy", 0), small_world, free, 0, episodes, metrics=names
    ).evaluation
    assert worlds_at_once(small_world) >= episodes
    world, policy = (
        World(small_world, episodes, evaluation_seed(0, 0), free),
        make_heuristic("greedy", 0),
    )
    delays: list[list[float]] = [[] for _ in range(episodes)]
    used: list[list[bool]] = [[] for _ in range(episodes)]
    backlogs: list[list[float]] = [[] for _ in range(episodes)]
    while not world.done:
        slot = world.slot
        _, _, result = world.step(policy.act(slot))
        for n in range(episodes):
            served = result.transferred[n].nonzero()[0]
            delays[n] += [float(result.delay_s[n, user]) for user in served]
            used[n] += (result.load[n] > 0).tolist()
            backlogs[n].append(float(slot.conditions.occupancy.airtime_backlog_s[n].max()))
    for n in range(episodes):
        late = sum(delay > 6 for delay in delays[n]) / len(delays[n])
        assert scores["late"][n] == pytest.approx(late, rel=1e-12)
        assert scores["utilisation"][n] == pytest.approx(np.mean(used[n]), rel=1e-12)
        assert scores["backlog"][n] == pytest.approx(np.mean(backlogs[n]), rel=1e-12)
    assert scores["late"].nunique() > 1


@pytest.mark.parametrize("policy", ["random", "local"])
def test_a_metric_that_repeats_a_recorded_field_is_that_column(
    patchy_world: WorldConfig, metrics: None, policy: str
) -> None:
    scores = evaluate(
        make_heuristic(policy, 0),
        patchy_world,
        mechanisms.make("none"),
        0,
        4,
        metrics=["qos_again"],
    ).evaluation
    np.testing.assert_allclose(scores["qos_again"], scores["qos"], rtol=1e-12)
    assert scores["qos"].abs().min() > 0


def test_metrics_change_no_other_column(patchy_world: WorldConfig, metrics: None) -> None:
    def scores(names: list[str]) -> Any:
        return evaluate(
            make_heuristic("random", 0),
            patchy_world,
            mechanisms.make("posted_price"),
            0,
            3,
            metrics=names,
        ).evaluation

    assert scores(["late", "qos_again"]).drop(columns=["late", "qos_again"]).equals(scores([]))


def test_a_value_that_never_applies_has_no_mean(
    played: tuple[Slot, SlotResult, World],
) -> None:
    slot, result, _ = played
    nothing = metric_of(lambda slot, result: np.full(slot.num_worlds, np.nan))
    sums = MetricSums([nothing], slot.num_worlds)
    sums.add(slot, result)
    assert np.isnan(sums.means()["mine"]).all()


def test_users_experts_and_worlds_have_a_value_each(
    played: tuple[Slot, SlotResult, World],
) -> None:
    slot, result, _ = played
    for function, shape in (
        (lambda slot, result: result.transferred, (4, 3)),
        (lambda slot, result: result.load, (4, 5)),
        (lambda slot, result: slot.conditions.available.sum(axis=-1), (4,)),
    ):
        values = metric_of(function).values(slot, result)
        assert values.shape == shape
        assert values.dtype == np.float64


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda slot, result: result.gain.mean(), "shape"),
        (lambda slot, result: result.gain[0], "shape"),
        (lambda slot, result: result.gain.T, "shape"),
        (lambda slot, result: slot.conditions.links.snr_db, "shape"),
        (lambda slot, result: None, "numbers or booleans, got object"),
        (lambda slot, result: result.gain.astype(str), "numbers or booleans, got <U"),
        (lambda slot, result: result.gain + 1j, "numbers or booleans, got complex128"),
        (lambda slot, result: result.gain + np.inf, "infinite"),
        (lambda slot, result: -np.inf * np.ones(4), "infinite"),
        (lambda slot, result: result.nonsense, r"AttributeError: .*nonsense.*\(test_metrics.py"),
    ],
)
def test_what_is_no_value_of_a_slot_is_an_error_that_names_the_metric(
    played: tuple[Slot, SlotResult, World], function: Callable[..., Any], complaint: str
) -> None:
    with pytest.raises(MetricError, match=rf"^metric 'mine'.*{complaint}"):
        metric_of(function).values(*played[:2])


def arrays_of(value: Any) -> Iterator[np.ndarray]:
    """Yield every array that is reached from a slot or its result by public or cached names."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from arrays_of(part)
    elif not isinstance(value, WorldConfig) and (
        is_dataclass(value) or isinstance(value, Candidates)
    ):
        for part in vars(value).values():
            yield from arrays_of(part)


def test_a_metric_cannot_write_any_array_of_the_world(
    played: tuple[Slot, SlotResult, World],
) -> None:
    slot, result, world = played
    seen = read_only(slot), read_only(result)
    found = [array for part in seen for array in arrays_of(part)]
    assert len(found) > 40
    assert not any(array.flags.writeable for array in found)
    assert result.load.flags.writeable  # those of the world are as they were

    def vandal(slot: Slot, result: SlotResult) -> Any:
        slot.conditions.pool.competence[:] = 1
        return result.load

    sums = MetricSums([metric_of(vandal)], 4)
    with pytest.raises(MetricError, match="metric 'mine': ValueError: assignment destination"):
        sums.add(slot, result)
    result_after = world.step(np.full((4, 3), 5))[2]
    twin = World(slot.config, 4, seed=1, mechanism=mechanisms.make("posted_price"))
    twin.step(make_heuristic("random", 0).act(twin.slot))
    for mine, other in zip(result_after, twin.step(np.full((4, 3), 5))[2], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_what_a_metric_computes_of_a_slot_is_what_a_policy_would(
    played: tuple[Slot, SlotResult, World],
) -> None:
    slot, _, _ = played
    np.testing.assert_array_equal(read_only(slot).expected_gain(2), slot.expected_gain(2))
    np.testing.assert_array_equal(read_only(slot).expected_competence, slot.expected_competence)


@pytest.mark.parametrize(
    ("name", "unit", "doc", "complaint"),
    [
        ("my metric", "s", "x", "letters, digits and underscores"),
        ("2nd", "s", "x", "letters, digits and underscores"),
        ("", "s", "x", "letters, digits and underscores"),
        ("fine", "", "x", "metric 'fine': unit should say something"),
        ("fine", "s", " ", "metric 'fine': doc should say something"),
    ],
)
def test_a_metric_without_a_name_of_a_column_a_unit_or_a_doc_is_not_registered(
    name: str, unit: str, doc: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        register(name, unit=unit, doc=doc)
    assert name not in METRICS


def test_a_metric_is_made_by_its_name_and_its_function_stays_itself(metrics: None) -> None:
    metric = METRICS.make("late")
    assert (metric.name, metric.unit, metric.doc) == ("late", "share", "served past the deadline")
    assert METRICS["late"].__qualname__ == metric.function.__qualname__
    with pytest.raises(ValueError, match="no metric 'lat'; did you mean 'late'"):
        METRICS.make("lat")


def test_the_first_slot_is_tried_in_worlds_whose_number_is_not_that_of_users_or_experts(
    small_world: WorldConfig, metrics: None
) -> None:
    """With 2 users and 2 worlds a value a user, without an axis of worlds, would pass."""
    assert small_world.num_users == 2
    none = mechanisms.make("none")
    check_metrics(["late", "utilisation", "backlog"], small_world, none)
    with pytest.raises(MetricError, match=r"metric 'of_one_world'.*got \(2,\)"):
        check_metrics(["of_one_world"], small_world, none)
