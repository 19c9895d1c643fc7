"""Pools of experts, and measured competence tables."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from envs import ExpertConfig, RequestConfig, World, WorldConfig
from envs.competence_table import load_competence
from envs.experts import ExpertPool, draw_pool, other_topic_mean
from envs.streams import generators

MEASURED = [[0.9, 0.1], [-0.2, 1.1]]


def competence_file(folder: Path, content: object) -> str:
    path = folder / "competence.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def drawn(config: WorldConfig, num_worlds: int) -> ExpertPool:
    return draw_pool(config, num_worlds, generators(0, None))


@given(
    num_worlds=st.integers(1, 4),
    num_experts=st.integers(1, 31),
    num_topics=st.integers(2, 7),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_mean_over_all_cells_is_exact_and_own_topics_lie_in_their_interval(
    num_worlds: int, num_experts: int, num_topics: int, seed: int
) -> None:
    requests = RequestConfig(num_topics=num_topics)
    config = WorldConfig(num_experts=num_experts, requests=requests)
    pool = draw_pool(config, num_worlds, generators(seed, None))
    for world in range(num_worlds):
        assert pool.competence[world].mean() == pytest.approx(0.26, abs=1e-12)
        for expert in range(num_experts):
            assert 0.95 <= pool.competence[world, expert, expert % num_topics] <= 1.05


def test_competence_on_other_topics_is_uniform_before_its_shift() -> None:
    pool = drawn(WorldConfig(), 200)
    own = pool.topic[:, None] == np.arange(6)
    others = pool.competence[:, ~own]
    assert np.ptp(others, axis=1).max() < 1.6
    centred = others - others.mean(axis=1, keepdims=True)
    assert stats.kstest(centred.ravel(), "uniform", (-0.8, 1.6)).pvalue > 1e-3
    # A user who sees types only may expect (6 x 0.26 - 1) / 5 of the others.
    assert others.mean() == pytest.approx(0.112, abs=1e-3)
    assert other_topic_mean(WorldConfig()) == pytest.approx(0.112, abs=1e-12)


def test_private_costs_are_uniform_over_their_intervals() -> None:
    pool = drawn(WorldConfig(), 200)
    assert stats.kstest(pool.unit_cost.ravel(), "uniform", (0.5, 2.5)).pvalue > 1e-3
    assert stats.kstest(pool.cost_slope.ravel(), "uniform", (0.5, 1.0)).pvalue > 1e-3


def test_a_pool_seed_gives_every_world_under_every_seed_one_pool() -> None:
    config = WorldConfig(num_experts=7, experts=ExpertConfig(pool_seed=5))
    first, second = World(config, num_worlds=3, seed=1), World(config, num_worlds=2, seed=2)
    for table in ("competence", "unit_cost", "cost_slope"):
        reference = getattr(first.pool, table)[0]
        assert (getattr(first.pool, table) == reference).all()
        assert (getattr(second.pool, table) == reference).all()
    assert (
        first.slot.conditions.links.snr_db[0].tolist()
        != second.slot.conditions.links.snr_db[0].tolist()
    )


@pytest.mark.parametrize(("resample", "changes"), [("never", False), ("episode", True)])
def test_a_new_pool_is_drawn_when_configured(resample: str, changes: bool) -> None:
    world = World(WorldConfig(experts=ExpertConfig(resample=resample)), num_worlds=2, seed=0)  # type: ignore[arg-type]
    world.reset()
    before = world.pool.competence.copy()
    assert not np.array_equal(before[0], before[1])
    world.reset()
    assert np.array_equal(world.pool.competence, before) is not changes


def test_a_measured_table_is_read_by_expert_topic_and_subtask_topic(tmp_path: Path) -> None:
    path = competence_file(tmp_path, {"competence": MEASURED, "n": 12})
    config = WorldConfig(
        num_experts=5, requests=RequestConfig(num_topics=2), experts=ExpertConfig(competence=path)
    )
    world = World(config, num_worlds=2, seed=0)
    for expert in range(5):
        assert world.pool.competence[:, expert].tolist() == [MEASURED[expert % 2]] * 2


WANTED = r'should hold \{"competence": .*\}, a table of 2 x 2 finite numbers'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"table": MEASURED}, WANTED),
        ({"competence": [[1, 2, 3]]}, WANTED),
        ({"competence": [[1, 2], [3, float("nan")]]}, WANTED),
        ({"competence": [[1, 2], [3]]}, WANTED),
        ({"competence": [[1, 2], [3, "4"]]}, WANTED),
        ({"competence": [[1, 2], [3, True]]}, WANTED),
        ({"competence": "high"}, WANTED),
        ([[1, 2], [3, 4]], WANTED),
        (None, WANTED),
        ("{", "cannot read"),
    ],
)
def test_a_bad_table_is_refused_with_its_file_and_reason(
    tmp_path: Path, content: object, reason: str
) -> None:
    path = competence_file(tmp_path, content)
    with pytest.raises(ValueError, match=reason) as caught:
        load_competence(path, 2)
    assert path in str(caught.value)
    assert "competence" in str(caught.value)


def test_a_missing_table_is_refused_when_the_world_is_built(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere.json")
    with pytest.raises(ValueError, match=r"nowhere\.json"):
        World(WorldConfig(experts=ExpertConfig(competence=path)), seed=0)


def test_a_user_who_sees_types_alone_expects_the_means_of_the_measured_table(
    tmp_path: Path,
) -> None:
    table = [[1.0, 0.2], [0.4, 0.6]]
    config = WorldConfig(
        num_users=3,
        num_experts=4,
        information="type",
        requests=RequestConfig(num_topics=2),
        experts=ExpertConfig(competence=competence_file(tmp_path, {"competence": table})),
    )
    world = World(config, num_worlds=2, seed=0)
    expected = np.where(
        world.requests.subtasks.topic[..., None] == np.arange(4) % 2,
        (1.0 + 0.6) / 2,
        (0.2 + 0.4) / 2,
    )
    np.testing.assert_allclose(world.slot.expected_competence, expected, rtol=1e-6)


def test_a_competence_file_that_has_no_end_is_not_read() -> None:
    with pytest.raises(ValueError, match=r"cannot read /dev/zero: not a file of at most"):
        load_competence("/dev/zero", 2)


def test_a_range_from_zero_to_minus_zero_is_the_number_zero() -> None:
    experts = ExpertConfig(own_competence=(0.0, -0.0), unit_cost=(0.0, -0.0))
    requests = RequestConfig(num_topics=1)
    pool = drawn(WorldConfig(num_experts=3, experts=experts, requests=requests), 1)
    assert not pool.competence.any()
    assert not pool.unit_cost.any()
