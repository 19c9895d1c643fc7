"""The section `search`: what is drawn, that it repeats, and what is refused beforehand."""

import builtins
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from marl_moe.errors import SpecError
from marl_moe.experiment.run.size import describe_run
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.reading import load_experiment, parse_experiment
from marl_moe.experiment.spec.search import FIRST_SEED, SPACES, draw
from marl_moe.experiment.spec.sweep import sweep_points
from marl_moe.experiment.spec.trials import chosen_experiment, tried_experiment

Yaml = dict[str, Any]
GAMMA, RATE, USERS = "algorithm.training.gamma", "algorithm.training.actor_lr", "env.num_users"


@pytest.fixture
def searched(tiny_experiment: Yaml) -> Callable[..., ExperimentSpec]:
    """Return a maker of the tiny experiment with a search, and other keys beside."""

    def make(search: Yaml, **keys: Any) -> ExperimentSpec:
        return parse_experiment(tiny_experiment | keys | {"search": search}, "tiny")

    return make


def values(spec: ExperimentSpec, key: str) -> list[Any]:
    assert spec.search is not None
    return [settings[key] for settings in draw(spec.search)]


def gamma_of(spec: ExperimentSpec) -> float:
    assert spec.algorithm is not None
    gamma: float = spec.algorithm.sections()["training"]["gamma"]
    return gamma


def test_the_same_yaml_draws_the_same_settings_in_any_file_and_after_it_was_written_down(
    searched: Callable[..., ExperimentSpec], tmp_path: Path
) -> None:
    search = {GAMMA: {"uniform": [0, 0.9]}, RATE: {"loguniform": [1e-4, 1e-2]}, "trials": 8}
    spec = searched(search)
    drawn = draw(spec.search)
    assert drawn == draw(searched(search, seeds=5, name="other").search)
    (tmp_path / "written.yaml").write_text(spec.to_yaml())
    assert drawn == draw(load_experiment(str(tmp_path / "written.yaml")).search)
    nested = {"algorithm": {"training": {"gamma": {"uniform": [0, 0.9]}}}, "trials": 8}
    assert values(searched(nested), GAMMA) == values(
        searched({GAMMA: {"uniform": [0, 0.9]}, "trials": 8}), GAMMA
    )
    assert draw(searched(search | {"trials": 12}).search)[:8] == drawn
    assert draw(searched(search | {"seeds": [7]}).search) != drawn
    # These are the numbers of NumPy's generator of that seed, whatever this code does.
    generator = np.random.default_rng(np.random.SeedSequence(FIRST_SEED, spawn_key=(0x5EA2C4,)))
    for settings in drawn:
        assert settings[GAMMA] == pytest.approx(generator.uniform(0, 0.9), rel=1e-5)
        low, high = math.log(1e-4), math.log(1e-2)
        assert settings[RATE] == pytest.approx(math.exp(generator.uniform(low, high)), rel=1e-5)


@pytest.mark.parametrize(
    ("space", "possible"),
    [
        ({"randint": [2, 6]}, {2, 3, 4, 5}),
        ({"qrandint": [2, 8, 2]}, {2, 4, 6, 8}),
        ({"lograndint": [1, 4]}, {1, 2, 3}),
        ({"qlograndint": [2, 6, 2]}, {2, 4, 6}),
        ({"quniform": [0.1, 0.3, 0.1]}, {0.1, 0.2, 0.3}),
        ({"qloguniform": [0.1, 0.3, 0.1]}, {0.1, 0.2, 0.3}),
        ({"choice": [4, "type", None]}, {4, "type", None}),
        ({"grid_search": [3, 1, 2]}, {1, 2, 3}),
    ],
)
def test_settings_are_distinct_and_a_small_space_is_drawn_to_its_end(
    searched: Callable[..., ExperimentSpec], space: Yaml, possible: set[Any]
) -> None:
    drawn = values(searched({USERS: space, "trials": len(possible)}), USERS)
    assert len(drawn) == len(possible)
    assert set(drawn) == possible
    (name,) = space
    if name != "grid_search":
        too_many = searched({USERS: space, "trials": len(possible) + 1})
        with pytest.raises(SpecError, match=rf"^search.trials: .* at most {len(possible)}: "):
            draw(too_many.search)


def test_draws_keep_to_their_bounds_and_fill_them(
    searched: Callable[..., ExperimentSpec],
) -> None:
    search = {GAMMA: {"uniform": [0.25, 0.75]}, RATE: {"loguniform": [1e-6, 1.0]}, "trials": 400}
    spec = searched(search)
    gammas, rates = np.array(values(spec, GAMMA)), np.log10(values(spec, RATE))
    for drawn, low, high in ((gammas, 0.25, 0.75), (rates, -6, 0)):
        shares = np.histogram(drawn, bins=4, range=(low, high))[0]
        assert shares.sum() == 400
        # Of 400 draws a quarter is 100; 4 standard deviations of a binomial are 35.
        assert (abs(shares - 100) < 35).all()


def test_a_grid_is_crossed_with_what_is_drawn(searched: Callable[..., ExperimentSpec]) -> None:
    search = {USERS: {"grid_search": [1, 2]}, GAMMA: {"uniform": [0, 0.9]}, "trials": 6}
    spec = searched(search)
    assert values(spec, USERS) == [1, 2] * 3
    assert len(set(values(spec, GAMMA))) == 6
    both = searched({USERS: {"grid_search": [1, 2]}, "env.slot_s": {"grid_search": [5, 6, 7]}})
    assert len(draw(both.search)) == 6
    assert len(draw(searched({GAMMA: {"uniform": [0, 0.9]}}).search)) == 16


def test_the_settings_are_tried_at_every_sweep_point_with_the_seeds_that_choose(
    searched: Callable[..., ExperimentSpec], tmp_path: Path
) -> None:
    search = {GAMMA: {"choice": [0.1, 0.2]}, "trials": 2, "seeds": [11, 12]}
    spec = searched(search, sweep={"env": {"num_users": [1, 2]}}, seeds=[0, 1])
    tried = tried_experiment(spec)
    assert tried.seed_list() == [11, 12]
    points = sweep_points(tried)
    tried_at = [(gamma_of(point.spec), point.spec.env.num_users) for point in points]
    assert sorted(tried_at) == [(gamma, users) for gamma in (0.1, 0.2) for users in (1, 2)]
    assert [list(point.settings) for point in points] == [[GAMMA, USERS]] * 4
    (tmp_path / "tried.yaml").write_text(tried.to_yaml())
    assert sweep_points(load_experiment(str(tmp_path / "tried.yaml"))) == points
    chosen = chosen_experiment(spec, {GAMMA: 0.2})
    assert chosen.search is None
    assert chosen.seed_list() == [0, 1]
    assert chosen.sweep == spec.sweep
    assert gamma_of(chosen) == 0.2
    assert chosen.evaluation == spec.evaluation


def test_seeds_that_choose_are_by_default_none_of_those_that_judge(
    searched: Callable[..., ExperimentSpec],
) -> None:
    spec = searched({GAMMA: {"uniform": [0, 0.9]}}, seeds=10_000)
    chosen_by = tried_experiment(spec).seed_list()
    assert chosen_by == [1_000_000, 1_000_001]
    assert not set(chosen_by) & set(spec.seed_list())


UNIFORM = {"uniform": [0, 0.9]}


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({}, "search: should hold a key to search"),
        ({"trials": 4}, "search: should hold a key to search"),
        ({"trails": 4, GAMMA: UNIFORM}, "unknown 'trails'; did you mean 'trials'?"),
        ({"gamma": UNIFORM}, "search: unknown 'gamma'; did you mean 'algorithm.training.gamma'"),
        ({GAMMA: {"unifrom": [0, 1]}}, f"search: {GAMMA}: unknown 'unifrom'; did you mean 'unif"),
        ({GAMMA: 0.3}, f"search: {GAMMA}: should be a space"),
        ({GAMMA: {}}, f"search: {GAMMA}: should be a space"),
        ({GAMMA: UNIFORM | {"choice": [1]}}, f"search: {GAMMA}: should be one space"),
        ({GAMMA: {"uniform": [0.9, 0]}}, f"search: {GAMMA}: uniform: low should be below high"),
        ({GAMMA: {"uniform": [0.9, 0.9]}}, f"search: {GAMMA}: uniform: low should be below high"),
        ({GAMMA: {"uniform": [0]}}, f"search: {GAMMA}: uniform: should be numbers [low, high]"),
        ({GAMMA: {"uniform": {"low": 0}}}, f"search: {GAMMA}: uniform: should be numbers"),
        ({GAMMA: {"uniform": [0, True]}}, f"search: {GAMMA}: uniform: should be numbers"),
        ({GAMMA: {"uniform": [0, math.inf]}}, f"search.{GAMMA}.uniform: should be a finite number"),
        ({RATE: {"loguniform": [0, 1]}}, f"search: {RATE}: loguniform: low should be above 0"),
        ({RATE: {"quniform": [0, 1, 0]}}, f"search: {RATE}: quniform: step should be above 0"),
        ({USERS: {"randint": [1, 2.5]}}, f"search: {USERS}: randint: should be whole numbers"),
        ({USERS: {"choice": []}}, f"search: {USERS}: choice: should be a list of values"),
        ({USERS: {"choice": [1, 1]}}, f"search: {USERS}: choice: should be distinct values"),
        ({"seeds.x": UNIFORM}, "search: seeds.x: only keys of env, mechanism, algorithm can be"),
        ({"evaluation.episodes": UNIFORM}, "search: evaluation.episodes: only keys of env"),
        ({"cluster.address": {"choice": ["a"]}}, "search: cluster.address: only keys of env"),
        ({GAMMA: UNIFORM, "seeds": 0}, "search: seeds: should be a count of at least 1"),
        ({GAMMA: UNIFORM, "seeds": [3, 3]}, "search: seeds: should be a count of at least 1"),
        ({GAMMA: UNIFORM, "trials": 0}, "search.trials"),
        ({GAMMA: UNIFORM, "mode": "maximum"}, "search.mode"),
        ({USERS: {"grid_search": [1, 2]}, "trials": 3}, "search: trials: should be 2, the cells"),
        (
            {USERS: {"grid_search": [1, 2]}, GAMMA: UNIFORM, "trials": 3},
            "search: trials: should be a multiple of 2, the cells",
        ),
        (
            {GAMMA: UNIFORM, "algorithm": {"training": {"gamma": UNIFORM}}},
            f"search: {GAMMA}: is given twice",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_a_line_that_names_the_key(
    searched: Callable[..., ExperimentSpec], search: Yaml, said: str
) -> None:
    with pytest.raises(SpecError) as refusal:
        searched(search)
    (line,) = str(refusal.value).splitlines()
    assert line.startswith("tiny: search")
    assert said in line


@pytest.mark.parametrize(
    ("search", "keys", "said"),
    [
        ({"env.num_usres": {"choice": [1, 2]}}, {}, "did you mean 'num_users'?"),
        ({"algorithm.training.gama": UNIFORM}, {}, "algorithm.training.gama: unknown 'gama'; did"),
        ({"mechanism.bugdet": UNIFORM}, {}, "no parameter 'bugdet'"),
        ({USERS: {"choice": [1, 0]}}, {}, "env.num_users"),
        ({GAMMA: {"uniform": [1.5, 2]}}, {}, "training.gamma should lie in 0..1"),
        (
            {"env.num_users.x": UNIFORM},
            {},
            "env.num_users.x: env.num_users is 2, which has no keys",
        ),
        ({GAMMA: UNIFORM, "metric": "gian"}, {}, "search.metric: unknown 'gian'; did you mean"),
        ({GAMMA: UNIFORM, "metric": "episode"}, {}, "search.metric: unknown 'episode'"),
        ({GAMMA: UNIFORM, "metric": "policy"}, {}, "search.metric: unknown 'policy'"),
        (
            {GAMMA: UNIFORM, "metric": "share_of_equilibrium"},
            {},
            "search.metric: share_of_equilibrium needs nash among evaluation.policies",
        ),
        ({GAMMA: UNIFORM, "policy": "nash"}, {}, "search.policy: unknown 'nash'"),
        ({GAMMA: UNIFORM, "seeds": [1, 7]}, {}, "search.seeds: should be none of the experiment's"),
        (
            {GAMMA: UNIFORM},
            {"sweep": {GAMMA: [0.1, 0.2]}},
            f"search.{GAMMA}: sweep.{GAMMA} sets it too",
        ),
        (
            {GAMMA: UNIFORM},
            {"sweep": {"algorithm": [{"name": "ppo"}]}},
            f"search.{GAMMA}: sweep.algorithm sets it too",
        ),
        ({GAMMA: UNIFORM}, {"algorithm": None}, f"search.{GAMMA}: there is nothing to search"),
        ({USERS: {"choice": [1, 2]}}, {"algorithm": None}, "search.policy: should name one of"),
        ({USERS: {"choice": [1, 2]}}, {"kind": "market_study"}, "search: is for kind: train"),
        ({GAMMA: {"quniform": [0.1, 0.5, 0.3]}}, {}, f"search.{GAMMA}: quniform: "),
        ({USERS: {"qrandint": [3, 5, 7]}}, {}, f"search.{USERS}: qrandint: "),
        ({GAMMA: {"uniform": [-1e308, 1e308]}}, {}, f"search.{GAMMA}: uniform: "),
        ({USERS: {"randint": [1, 10**30]}}, {}, f"search.{USERS}: randint: "),
    ],
)
def test_what_does_not_fit_the_experiment_is_refused_before_anything_runs(
    searched: Callable[..., ExperimentSpec], search: Yaml, keys: Yaml, said: str
) -> None:
    if keys.get("kind") == "market_study":
        env = {"num_users": 2, "num_experts": 4, "episode_slots": 20}  # of enough slots
        keys = keys | {"algorithm": None, "env": env, "figures": []}
    spec = searched({"trials": 2} | search, **keys)
    with pytest.raises(SpecError) as refusal:
        describe_run(spec, Path())
    (line,) = str(refusal.value).splitlines()
    assert line.startswith("search")
    assert said in line


def test_without_ray_a_search_says_what_it_needs(
    searched: Callable[..., ExperimentSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def without_ray(name: str, *rest: Any) -> Any:
        if name.startswith("ray"):
            raise ImportError(name)
        return imported(name, *rest)

    spec = searched({GAMMA: UNIFORM})
    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(SpecError, match=r"^search: .*pip install 'marl-moe\[train\]'$"):
        draw(spec.search)


def test_every_space_is_one_of_tune_s() -> None:
    from ray import tune

    for name in SPACES:
        assert callable(getattr(tune, name))


def test_a_dry_run_counts_the_jobs_of_both_parts(
    searched: Callable[..., ExperimentSpec], tmp_path: Path
) -> None:
    search = {GAMMA: UNIFORM, "trials": 3, "seeds": 4}
    spec = searched(search, sweep={USERS: [1, 2]})
    first, then = describe_run(spec, Path()).splitlines()[-2:]
    assert first.startswith("# search: 24 jobs (trials x sweep points x seeds)")
    assert "48 epochs of training, 144 episodes of evaluation" in first  # 2 learned, 3 episodes
    assert then.startswith("# then 4 jobs (sweep points x seeds)")
    assert "8 epochs of training, 60 episodes of evaluation" in then
    assert yaml.safe_load(spec.to_yaml() + describe_run(spec, Path())) == spec.as_dict()
