"""What a figure needs of a run is said before it, by the words with which it refuses tables."""

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.planned_tables import planned_tables
from marl_moe.experiment.run.size import describe_run
from marl_moe.experiment.spec.files import shipped_experiments
from marl_moe.experiment.spec.reading import load_experiment, parse_experiment
from marl_moe.experiment.spec.sweep import sweep_points
from paper_figures import FIGURES, CannotDraw, register
from paper_figures.figures import unmet

USERS = {"sweep": {"env": {"num_users": [1, 2]}}}
ALL = {"evaluation": {"episodes": 1, "policies": ["nash", "optimum", "better_response"]}}
FREE = {"mechanism": {"name": "none"}}
BAND = {"sweep": {"env": {"channel": {"bandwidth_hz": [500, 1000]}}}}
TWO = {"sweep": [{"env.num_users": 1}, {"env.num_users": 2, "env.num_experts": 9}]}
BUDGETS = {"sweep": {"mechanism": [{"name": "budgeted_price", "budget": b} for b in (2, 4)]}}
PRICES = {"sweep": {"mechanism": [{"name": "posted_price", "price": p} for p in (1, 2)]}}
JOINED = {"sweep": {"evaluation.env.num_experts": [6, 9]}}
STUDY = {"kind": "market_study"}


def refusal(tiny: dict[str, Any], name: str, *changes: dict[str, Any]) -> str | None:
    plain = copy.deepcopy(tiny) | {"algorithm": None}
    for change in changes:
        plain |= change
    spec = parse_experiment(plain, "tiny")
    return unmet(name, planned_tables(sweep_points(spec), spec.seed_list()))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("reward_curves", [], "no table 'training'"),
        ("final_rewards", [], "no table 'training'"),
        ("sample_efficiency", [], "no table 'training'"),
        ("contention", [], "num_users 2 alone"),
        ("contention", [USERS], "no rows of policy 'nash'"),
        ("contention", [TWO, ALL], "differ in 'env.num_experts' too"),
        ("price_of_anarchy", [USERS], "no rows of policy 'optimum', 'nash'"),
        ("pricing", [FREE], "free edge devices alone"),
        ("pricing", [BAND], "in one setting alone"),
        ("price_paths", [FREE], "no table 'market'"),
        ("price_response", [BAND], "posted_price at 0 prices"),
        ("price_response", [BUDGETS], "posted_price at 0 prices"),
        ("budgets", [PRICES], "no mechanism at several budgets"),
        ("sensitivity", [], "needs a sweep"),
        ("upgrade", [USERS, ALL], "of edge devices that joined after training"),
        ("upgrade", [JOINED], "no value in column 'share_of_equilibrium'"),
        ("fairness", [BAND, {"env": {"num_users": 1}}], "num_users 1 alone"),
        ("reliability", [{"evaluation": {"policies": ["random"]}}], "'random' alone"),
        ("policies", [STUDY], "no table 'evaluation'; the tables are: audit, regret"),
        ("manipulation", [], "no table 'audit'"),
        ("manipulation", [STUDY], "no value in column 'promised_"),
    ],
)
def test_a_run_that_a_figure_was_not_made_for_is_refused_before_it(
    tiny_experiment: dict[str, Any], name: str, changes: list[dict[str, Any]], said: str
) -> None:
    assert said in str(refusal(tiny_experiment, name, *changes))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("policies", []),
        ("reliability", []),
        ("price_paths", []),
        ("contention", [USERS, ALL]),
        ("price_of_anarchy", [USERS, ALL]),
        ("sensitivity", [BAND]),
        ("fairness", [BAND]),
        ("budgets", [BUDGETS]),
        ("pricing", [BUDGETS]),
        ("price_response", [PRICES]),
        ("upgrade", [JOINED, ALL]),
        ("manipulation", [STUDY, {"audit": {"play": {}}}]),
    ],
)
def test_a_run_that_a_figure_was_made_for_is_not(
    tiny_experiment: dict[str, Any], name: str, changes: list[dict[str, Any]]
) -> None:
    assert refusal(tiny_experiment, name, *changes) is None


@pytest.mark.parametrize("name", shipped_experiments())
def test_every_shipped_experiment_can_draw_its_figures_at_every_size(name: str) -> None:
    for size in (None, *load_experiment(name).sizes):
        spec = load_experiment(name, size=size)
        planned = planned_tables(sweep_points(spec), spec.seed_list())
        assert [unmet(figure, planned) for figure in spec.figures] == [None] * len(spec.figures)


def test_neither_a_dry_run_nor_a_run_begins_and_nothing_is_written(
    tiny_experiment: dict[str, Any], tmp_path: Path
) -> None:
    plain = tiny_experiment | {"algorithm": None, "figures": ["policies", "sensitivity"]}
    spec = parse_experiment(plain, "tiny")
    said = (
        "figures: 'sensitivity' cannot be drawn of this experiment, leave it out or mend this: "
        "table 'eval"
    )
    with pytest.raises(SpecError, match=said):
        describe_run(spec, Path())
    with pytest.raises(SpecError, match=said):
        create_run(spec, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    describe_run(parse_experiment(plain | {"figures": []}, "tiny"), Path())


def test_a_figure_of_training_where_nothing_learns_is_answered_with_what_to_add(
    tiny_experiment: dict[str, Any],
) -> None:
    plain = tiny_experiment | {"algorithm": None, "figures": ["reward_curves"]}
    said = r"no table 'training', which what learns leaves \(algorithm: \{name: sac\}\)"
    with pytest.raises(SpecError, match=said):
        describe_run(parse_experiment(plain, "tiny"), Path())


def test_a_figure_of_ones_own_is_asked_for_what_it_needs(tiny_experiment: dict[str, Any]) -> None:
    def needs(tables: dict[str, pd.DataFrame]) -> None:
        if tables["evaluation"]["seed"].nunique() < 3:
            raise CannotDraw("three seeds")

    register("of_three", {}, needs)(needs)
    try:
        assert refusal(tiny_experiment, "of_three") == "three seeds"
        assert refusal(tiny_experiment, "of_three", {"seeds": 3}) is None
    finally:
        del FIGURES["of_three"]


def test_all_figures_that_cannot_be_drawn_are_named_at_once(
    tiny_experiment: dict[str, Any],
) -> None:
    figures = ["policies", "sensitivity", {"policies": {"as": "p", "policies": ["topic_match"]}}]
    with pytest.raises(SpecError) as caught:
        describe_run(parse_experiment(tiny_experiment | {"figures": figures}, "tiny"), Path())
    assert str(caught.value).count("\n") == 1, str(caught.value)
    sensitivity, policies = str(caught.value).splitlines()
    assert "figures: 'sensitivity' cannot be drawn" in sensitivity
    assert "'policies' cannot be drawn" in policies
    assert "unknown 'topic_match'; valid: " in policies  # a policy, but none of this experiment
