"""What the other sides chose and have left to gain are metrics like others."""

import pandas as pd
import pytest

from paper_figures.means import means
from paper_figures.sides import nobody_chose, with_left_to_gain

POINTS = ("env.num_users=8", "env.num_users=16", "env.num_users=4")


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    """Two seeds of a policy that learned and one that did not, at three points."""
    rows = [
        {"seed": seed, "point": point, "episode": episode}
        | {"settings": f'{{"env.num_users": {point.partition("=")[2]}}}'}
        for point in POINTS
        for seed in range(2)
        for episode in range(3)
    ]
    keys = pd.DataFrame(rows)
    evaluation = pd.concat([keys.assign(policy=name) for name in ("sac", "greedy")])
    evaluation = evaluation.assign(gain=1.0, report_factor=1.0, value_factor=1.0, margin=0.0)
    roles = [keys.assign(role=role) for role in ("users", "platform")]
    found = pd.concat(roles, ignore_index=True)
    found["gain"] = 0.1 * found["seed"] + 0.01 * found["episode"] + (found["role"] == "users")
    training = keys.drop(columns="episode").drop_duplicates().assign(algorithm="sac", epoch=1)
    return {"evaluation": evaluation, "training": training, "exploitability": found}


def test_what_is_left_to_gain_is_of_the_policy_that_learned(
    tables: dict[str, pd.DataFrame],
) -> None:
    table = means(tables)
    left = table[table["metric"].str.startswith("left_to_gain")]
    assert set(left["policy"]) == {"sac"}
    assert set(left["metric"]) == {"left_to_gain_users", "left_to_gain_platform"}
    assert dict(left.groupby("metric")["mean"].mean()) == pytest.approx(
        {"left_to_gain_users": 1.06, "left_to_gain_platform": 0.06}
    )
    assert set(left.set_index("metric").loc["left_to_gain_platform", "unit"]) == {
        "credits a slot and user"
    }
    assert len(with_left_to_gain(tables)) == len(tables["evaluation"])


def test_without_a_measurement_there_is_no_column(tables: dict[str, pd.DataFrame]) -> None:
    del tables["exploitability"]
    assert with_left_to_gain(tables) is tables["evaluation"]


def test_factors_and_margins_have_rows_where_anybody_chose(
    tables: dict[str, pd.DataFrame],
) -> None:
    evaluation = tables["evaluation"]
    assert not {"report_factor", "margin"} & set(means(tables)["metric"])
    evaluation.loc[evaluation["policy"] == "sac", "margin"] = 0.2
    assert nobody_chose(evaluation, "report_factor")
    assert not nobody_chose(evaluation, "margin")
    table = means(tables).set_index(["metric", "policy"])
    assert list(table.loc[("margin", "sac"), "mean"]) == pytest.approx([0.2] * 3)
    assert set(table.loc["margin", "unit"]) == {"share of charge"}


def test_sweep_points_are_in_the_order_of_their_numbers(tables: dict[str, pd.DataFrame]) -> None:
    points = means(tables)["point"].unique()
    assert list(points) == [f"env.num_users={users}" for users in (4, 8, 16)]
