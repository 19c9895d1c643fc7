"""Remarks on tables written by hand: what is wrong is told, and what is right is not."""

import re

import numpy as np
import pandas as pd
import pytest

from marl_moe.experiment.records.columns import AUDIT, EVALUATION, TRAINING
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.study.remarks import of_audit, of_evaluation, of_training, remarks

LEARNED = {"sac", "sac_stochastic"}


def evaluation(points: tuple[str, ...] = ("",), **shift: float) -> pd.DataFrame:
    """Return policies in 2 seeds x 20 worlds, each above random by its `shift`."""
    world = pd.MultiIndex.from_product(
        [points, [0, 1], range(20)], names=["point", "seed", "episode"]
    )
    luck = np.random.default_rng(0).normal(0, 1, len(world))
    frames = []
    for number, (policy, above) in enumerate(({"random": 0.0, "greedy": 0.2} | shift).items()):
        own = np.random.default_rng(number + 1).normal(0, 0.3, len(world))
        frame = world.to_frame(index=False).assign(policy=policy, gain=luck + above + own)
        frames.append(frame)
    rows = pd.concat(frames, ignore_index=True)
    rest = {name: 1.0 for name in EVALUATION if name not in rows}
    return rows.assign(**(rest | {"mechanism": "posted_price", "failed_clearings": 0.0}))


def training(**columns: object) -> pd.DataFrame:
    """Return five epochs of a training in which everything changes, but for `columns`."""
    rows = pd.DataFrame({name: np.random.default_rng(0).random(5) for name in TRAINING})
    return rows.assign(
        **({"point": "", "seed": 0, "algorithm": "sac", "updates": range(5)} | columns)
    )


def audit(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({name: [1.0, 1.0] for name in AUDIT}).assign(
        **({"mechanism": "vcg", "point": "", "seed": [0, 1]} | columns)
    )


def test_nothing_is_told_of_what_trained() -> None:
    rows = evaluation(("a", "b"), sac=0.5, sac_stochastic=0.02)
    assert of_evaluation(rows, LEARNED) == []
    assert of_training(training()) == []
    assert of_audit(audit()) == []


def alike(rows: pd.DataFrame, learned: str, rule: str, where: pd.Series) -> pd.DataFrame:
    """Give a learned policy the outcomes of a rule where a condition holds."""
    rows = rows.copy()
    at = where & (rows["policy"] == learned)
    rows.loc[at, "gain"] = rows.loc[where & (rows["policy"] == rule), "gain"].to_numpy()
    return rows


def test_a_learned_policy_that_is_a_rule_in_every_world_is_told() -> None:
    rows = evaluation(greedy=0.0, sac=0.5, abandon=0.0)
    every = rows["seed"] >= 0
    for rule in ("greedy", "abandon"):
        assert of_evaluation(alike(rows, "sac", rule, every), LEARNED) == [
            f"sac: the same as {rule} in every world"
        ]
    assert of_evaluation(alike(rows, "sac", "greedy", rows["seed"] == 1), LEARNED) == [
        "sac: the same as greedy in every world of seed 1"
    ]
    but_one = every & ((rows["seed"] == 0) | (rows["episode"] > 0)) & (rows["episode"] > 0)
    assert of_evaluation(alike(rows, "sac", "greedy", but_one), LEARNED) == []


def test_to_abandon_everything_is_told_though_abandon_was_not_played() -> None:
    rows = evaluation(sac=0.5)
    rows.loc[rows["policy"] == "sac", "transferred"] = 0.0
    assert of_evaluation(rows, LEARNED) == ["sac: the same as abandon in every world"]


def test_worlds_in_which_nobody_transfers_are_told_at_their_point() -> None:
    rows = evaluation(("a", "b"), abandon=0.0)
    nobody = rows.assign(transferred=rows["transferred"].where(rows["point"] == "a", 0.0))
    (line,) = of_evaluation(nobody, LEARNED)
    assert line.startswith(
        "transferred: nobody transferred a subtask under any policy at b; is any"
    )
    one = nobody.assign(transferred=nobody["transferred"].where(nobody["policy"] != "greedy", 0.5))
    assert of_evaluation(one, LEARNED) == []
    alone = evaluation()
    alone = alone[alone["policy"] == "greedy"].assign(policy="abandon", transferred=0.0)
    assert of_evaluation(alone, LEARNED) == []


def test_a_budget_that_no_market_spends_is_told_of_mechanisms_that_claim_to_keep_it() -> None:
    line = "vcg: claims to keep the budget, which no market spends in full (seed 0; seed 1)"
    assert of_audit(audit(budget_excess_max=-0.5)) == [line]
    assert of_audit(audit(budget_excess_max=-0.5, claims_within_budget=0.0)) == []
    assert of_audit(audit(budget_excess_max=-1e-9)) == []


def test_to_equal_the_equilibrium_is_no_failure() -> None:
    rows = evaluation(sac=0.5, nash=1.0)
    assert of_evaluation(alike(rows, "sac", "nash", rows["seed"] >= 0), LEARNED) == []


def test_below_random_is_told_by_the_difference_in_the_same_worlds() -> None:
    (line,) = of_evaluation(evaluation(sac=-0.4), LEARNED)  # worlds differ by 1, more than that
    assert line.startswith("sac: below greedy (gain -0.")
    assert ", random (gain -0.4" in line
    assert "over 40 worlds" in line
    assert of_evaluation(evaluation(greedy=-5.0, sac=0.0), LEARNED) == []  # a rule may be


def test_below_rules_is_told_of_the_likeliest_action_and_not_of_yardsticks() -> None:
    yardsticks = {"nash": 2.0, "cooperative": 1.9, "selfish": 1.8, "local": 3.0}
    rules = {"greedy": 0.7, "crowd": 0.9}
    rows = evaluation(("a", "b"), **yardsticks, **rules, sac=0.5, sac_stochastic=0.4)
    lines = of_evaluation(rows, LEARNED)
    for line, point in zip(lines, "ab", strict=True):
        number = r"-0\.\d{3} \[-0\.\d{3}, -0\.\d{3}\]"
        told = rf"sac: below crowd \(gain {number}\), greedy \(gain {number}\) at {point}; 99%"
        assert re.match(told, line), line
    assert of_evaluation(evaluation(crowd=0.55, sac=0.5), LEARNED) == []  # not told apart


def test_with_several_trainings_the_interval_is_over_their_seeds() -> None:
    two = evaluation(crowd=0.9, sac=0.5)
    rows = pd.concat([two, two.assign(seed=two["seed"] + 2)], ignore_index=True)
    (line,) = of_evaluation(rows, LEARNED)
    assert line.startswith("sac: below crowd (gain -0.")
    assert line.endswith("; 99% intervals of the difference over 4 seeds")
    one_failed = rows.copy()  # in all its worlds, which are many; the others are above
    of_sac = one_failed["policy"] == "sac"
    one_failed.loc[of_sac, "gain"] += np.where(one_failed.loc[of_sac, "seed"] == 3, -2.0, 0.6)
    assert of_evaluation(one_failed, LEARNED) == []


def test_a_learned_policy_that_no_point_of_a_sweep_changes_is_told() -> None:
    one = evaluation(("a",), sac=0.5)
    rows = pd.concat([one, one.assign(point="b")], ignore_index=True)
    assert of_evaluation(rows, LEARNED) == [
        "sac: the same in every world at all points of the sweep"
    ]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"requests": 0}, "utility: no request was completed; are episodes long enough?"),
        ({"gain": np.nan}, "gain: NaN in 80 of 80 rows"),
        ({"late": np.nan}, "late: the metric is NaN in every row"),
        ({"unit_price": 0.0}, "posted_price: pays nothing in any world"),
        ({"unit_price": np.nan}, "posted_price: pays nothing in any world"),
        ({"failed_clearings": 1.0}, "posted_price: every clearing failed"),
    ],
)
def test_columns_without_values_and_markets_without_payments_are_told(
    columns: dict[str, float], told: str
) -> None:
    rows = evaluation().assign(**({"late": 1.0} | columns))
    assert of_evaluation(rows, set(), ["late"]) == [told]
    free = rows.assign(mechanism="none", clearings=0, failed_clearings=0)
    assert of_evaluation(free.assign(unit_price=0.0, requests=1, gain=1.0, late=1.0), set()) == []


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"entropy": 0.0}, "entropy of sac is 0 in every epoch"),
        ({"gain": 0.0}, "gain of sac is 0 in every epoch"),
        ({"critic_loss": 2.5}, "critic_loss of sac is 2.5 in every epoch"),
        ({"updates": 0}, "sac made no gradient update"),
        ({"utility": np.nan}, "utility of sac is NaN in every epoch: no request was completed"),
        ({"gain": [1.0, 2.0, np.nan, 4.0, 5.0]}, "gain of sac is NaN in 1 of 5 epochs"),
        ({"late": np.nan}, "late is NaN in every epoch"),
    ],
)
def test_curves_that_do_not_move_or_are_not_there_are_told(
    columns: dict[str, object], told: str
) -> None:
    rows = training(**columns)
    assert of_training(pd.concat([rows, rows.assign(seed=3)])) == [
        f"training: {told} (seed 0; seed 3)"
    ]


def test_what_an_algorithm_does_not_have_is_not_told() -> None:
    assert (
        of_training(training(critic_loss=np.nan, entropy=np.nan, share_of_equilibrium=np.nan)) == []
    )


def test_audits_without_markets_or_payments_are_told() -> None:
    assert of_audit(audit(markets=0)) == ["vcg: no market cleared (seed 0; seed 1)"]
    assert of_audit(audit(payments=[0.0, 1.0])) == ["vcg: pays nothing in any market (seed 0)"]
    assert of_audit(audit(payments=0.0, mechanism="none")) == []


@pytest.mark.parametrize(("mechanism", "told"), [("none", 1), ("posted_price", 0)])
def test_a_budget_of_credits_that_nothing_is_charged_to_is_told(mechanism: str, told: int) -> None:
    env = {"user_groups": {"poor": {"count": 2, "credit_budget": 3}, "rich": {"count": 2}}}
    raw = {"name": "idle", "env": env, "mechanism": {"name": mechanism}, "algorithm": None}
    nothing = pd.DataFrame()
    lines = remarks([parse_experiment(raw, "idle")], nothing, nothing, nothing)
    assert [line.partition(":")[0] for line in lines] == ["credit_budget"] * told
