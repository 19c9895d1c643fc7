"""Sweep points are told apart by mechanism and by who learns beside the users."""

import json
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from paper_figures import CannotDraw
from paper_figures.arrangements import LOOKS, MOST_MECHANISMS, Grid, grid, require_learning

from .two_sided_tables import ARRANGEMENTS, MECHANISMS, points

ROLES = "algorithm.roles"
AIM = "env.roles.platform_reward"
BOTH = {"edge_devices": "sac", "platform": "sac"}


def table_of(*settings: dict[str, Any], **columns: Any) -> pd.DataFrame:
    rows = {"point": [f"point {i}" for i in range(len(settings))]}
    return pd.DataFrame(rows).assign(settings=list(map(json.dumps, settings)), **columns)


def grid_of(*settings: dict[str, Any]) -> Grid:
    return grid({"training": table_of(*settings)}, "training")


def test_a_study_of_five_by_five_is_a_grid_in_the_order_of_the_experiment() -> None:
    cells = grid_of(*points(5, 5))
    assert cells.mechanisms == list(MECHANISMS)
    assert cells.arrangements == list(ARRANGEMENTS)
    expected = [(mechanism, learns) for mechanism in range(5) for learns in range(5)]
    assert list(cells.cells.values()) == expected


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ([{ROLES: {}}, {ROLES: {"edge_devices": "sac"}}], ["Truthful", "Devices learn"]),
        ([{ROLES: {}}, {ROLES: BOTH}], ["Truthful, fixed", "Devices and platform learn"]),
        (
            [{ROLES: {"edge_devices": "hedge"}}, {ROLES: {"platform": "sac"}, AIM: "users"}],
            ["Devices hedge", "Platform learns: users"],
        ),
        (
            [{ROLES: {"edge_devices": "hedge", "platform": "sac"}}],
            ["Devices hedge, platform learns"],
        ),
        ([{ROLES: {"edge_devices": "robot"}}], ["Devices robot"]),
        (
            [{f"{ROLES}.platform": who, AIM: "profit"} for who in ("fixed", "sac")],
            ["Fixed: profit", "Platform learns: profit"],
        ),
        (
            [{"algorithm": {"roles": BOTH}, "env": {"roles": {"platform_reward": "users"}}}],
            ["Devices and platform learn: users"],
        ),
        ([{AIM: "users"}, {AIM: "profit"}], ["Platform: users", "Platform: profit"]),
        ([{}], [""]),
    ],
)
def test_who_learns_is_put_in_words_however_the_settings_spell_it(
    settings: list[dict[str, Any]], labels: list[str]
) -> None:
    cells = grid_of(*settings)
    assert cells.arrangements == labels
    assert len(cells.mechanisms) == 1
    assert [handle.get_label() for handle in cells.handles()] == [each for each in labels if each]


def test_of_a_role_that_no_point_names_nothing_is_said() -> None:
    """The experiment may have edge devices hedge at all of them."""
    assert grid_of({f"{ROLES}.platform": "fixed"}, {f"{ROLES}.platform": "sac"}).arrangements == [
        "Fixed",
        "Platform learns",
    ]


def test_a_mechanism_has_its_name_and_more_where_that_is_not_enough() -> None:
    budgets = [{"mechanism": {"name": "fisher", "budget": budget}} for budget in (8, 16)]
    few = [{"mechanism": {"name": "vcg"}, "env.num_experts": count} for count in (4, 8)]
    enforced = {"mechanism": {"name": "contract"}, "env.market.effort": "enforced"}
    assert grid_of(*budgets, *few, enforced).mechanisms == [
        "Fisher, budget 8",
        "Fisher, budget 16",
        "VCG, num experts 4",
        "VCG, num experts 8",
        "Contract",
    ]


def test_a_mechanism_that_the_sweep_does_not_set_is_named_by_the_evaluation() -> None:
    training = table_of({ROLES: {}}, {ROLES: BOTH})
    evaluation = training.assign(mechanism="cost_plus")
    assert grid({"training": training}, "training").mechanisms == [""]
    both = {"training": training, "evaluation": evaluation}
    assert grid(both, "training").mechanisms == ["Cost plus"]


def test_what_else_an_algorithm_sets_is_no_arrangement() -> None:
    learners = [{"algorithm": {"name": name, "roles": BOTH}} for name in ("sac", "ppo")]
    cells = grid_of(*learners)
    assert cells.arrangements == ["Devices and platform learn"]
    assert cells.mechanisms == ["algorithm sac", "algorithm ppo"]


def test_arrangements_stand_beside_each_other_within_the_space_of_their_mechanism() -> None:
    for count in (1, 2, 5, len(LOOKS)):
        learns = [{AIM: f"aim {number}"} for number in range(count)]
        swept = [of | aim for of in list(MECHANISMS.values())[:2] for aim in learns]
        cells = grid_of(*swept)
        places = [cells.place(json.dumps(settings)) for settings in swept]
        assert places == sorted(places)
        first, second = places[:count], places[count:]
        assert sum(first) == pytest.approx(0)
        assert [place - 1 for place in second] == pytest.approx(first)
        steps = [after - before for before, after in pairwise(first)]
        assert second[0] - first[-1] > max(steps, default=0.1)


def test_looks_are_told_apart_by_each_of_colour_marker_and_line() -> None:
    for key in ("color", "marker", "linestyle"):
        assert len({look[key] for look in LOOKS}) == len(LOOKS)


def test_two_points_of_one_cell_are_refused_by_their_names() -> None:
    with pytest.raises(CannotDraw, match="'point 0' and 'point 1', which differ neither"):
        grid_of({ROLES: {}}, {f"{ROLES}.edge_devices": "truthful"})


def test_more_than_a_figure_shows_is_refused() -> None:
    many = [{"env.num_users": number} for number in range(MOST_MECHANISMS + 1)]
    with pytest.raises(CannotDraw, match="'training' has 7 mechanisms; this figure shows 6"):
        grid_of(*many)
    aims = [{AIM: f"aim {number}"} for number in range(len(LOOKS) + 1)]
    with pytest.raises(CannotDraw, match="has 9 arrangements of who learns; this figure shows 8"):
        grid_of(*aims)


def test_a_sweep_that_says_that_nobody_learns_is_refused_and_a_silent_one_is_not() -> None:
    idle = [{ROLES: {}, "env.num_users": 4}, {f"{ROLES}.edge_devices": "truthful"}]
    with pytest.raises(CannotDraw, match="no sweep point at which edge devices or the platform"):
        require_learning(table_of(*idle), "training")
    require_learning(table_of(*idle, {ROLES: {"platform": "sac"}}), "training")
    require_learning(table_of({}), "training")
