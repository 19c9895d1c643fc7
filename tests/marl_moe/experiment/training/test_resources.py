"""Resources that jobs need, against what RLlib and Ray themselves say."""

from collections.abc import Callable
from typing import Any

import pytest
from ray.tune.execution.placement_groups import PlacementGroupFactory

from envs import WorldConfig
from marl_moe.errors import SpecError
from marl_moe.experiment.training.resources import bundles_of, check_fits, side_by_side
from marl_moe.rllib.algorithm import WorldSac

TWO_NODES = [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}]
LEARNERS = [{}, {"num_learners": 2}, {"num_learners": 2, "num_cpus_per_learner": 3}]


@pytest.mark.parametrize(
    "learners", [*LEARNERS, {"num_learners": 1, "num_gpus_per_learner": 1}], ids=str
)
@pytest.mark.parametrize("runners", [0, 3])
def test_a_job_asks_for_what_rllib_would_have_tune_reserve(
    sac_config: Callable[..., Any], small_world: WorldConfig, runners: int, learners: dict[str, int]
) -> None:
    config = sac_config(small_world, runners=runners).learners(**learners)
    assert PlacementGroupFactory(bundles_of(config)) == WorldSac.default_resource_request(config)


def test_threads_are_cores_of_the_process_that_learns_with_them(
    sac_config: Callable[..., Any], small_world: WorldConfig
) -> None:
    assert bundles_of(sac_config(small_world, torch_threads=3)) == [{"CPU": 3}]
    assert bundles_of(None) == [{"CPU": 1}]


@pytest.mark.parametrize(
    ("available", "at_most", "expected"),
    [
        ({"CPU": 12.0}, None, 4),
        ({"CPU": 12.0}, 3, 3),
        ({"CPU": 100.0}, None, 6),  # as many as there are
        ({"CPU": 2.0}, None, 1),
        ({"CPU": 12.0, "GPU": 1.0}, None, 4),
    ],
)
def test_as_many_jobs_run_at_once_as_their_sums_fit(
    available: dict[str, float], at_most: int | None, expected: int
) -> None:
    assert side_by_side([[{"CPU": 1}, {"CPU": 2}]] * 6, available, at_most) == expected


def test_the_scarcest_resource_and_the_largest_job_say_how_many() -> None:
    jobs = [[{"CPU": 1}], [{"CPU": 1, "GPU": 1}]]
    assert side_by_side(jobs, {"CPU": 8.0, "GPU": 2.0}, None) == 2
    assert side_by_side(jobs, {"CPU": 8.0}, None) == 1
    assert side_by_side([[{"CPU": 1}], [{"CPU": 4}]], {"CPU": 4.0}, None) == 1


def test_what_ray_could_never_place_is_refused_before_it_waits() -> None:
    check_fits([{"CPU": 2}, {"CPU": 2}, {"CPU": 2}], TWO_NODES)
    check_fits([], [])
    with pytest.raises(
        SpecError, match=r"need 7 cores, Ray has 6; lower env_runners\.num_env_runners"
    ):
        check_fits([{"CPU": 1}] * 7, TWO_NODES)
    with pytest.raises(SpecError, match="need 2 GPUs, Ray has 1"):
        check_fits([{"GPU": 2}], TWO_NODES)
    with pytest.raises(SpecError, match="one process needs 5 cores, the largest node of Ray has 4"):
        check_fits([{"CPU": 5}], TWO_NODES)
