"""How the curves of one policy trained in several ways are told apart."""

from itertools import combinations

import pytest

from paper_figures.style import curve, policy_style
from paper_figures.variants import curves, label

UPGRADE = [
    f"sac network={net} start={start}"
    for net in ("pointer", "mlp")
    for start in ("scratch", "zero_shot", "both")
]
ALGORITHMS = [
    "sac network=pointer",
    "sac network=mlp",
    "rllib_sac network=pointer",
    "ppo network=mlp",
    "nash",
]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("sac", "SAC (proposed)"),
        ("sac network=mlp", "SAC, MLP"),
        ("rllib_sac network=pointer start=zero_shot", "RLlib SAC, pointer, zero-shot"),
        ("sac gamma=0.3 twin_q=True", "SAC, gamma 0.3, twin_q True"),
        ("ppo large_batch", "PPO, large batch"),
        ("sac_stochastic network=mlp", "SAC (stochastic), MLP"),
        ("nash", "Equilibrium (full information)"),
    ],
)
def test_a_curve_is_named_after_its_policy_and_how_it_was_trained(name: str, shown: str) -> None:
    assert label(name) == shown


def test_a_policy_trained_in_one_way_looks_as_everywhere() -> None:
    for name, look in curves(["sac", "ppo", "nash"]).items():
        assert look.items() >= curve(name).items()
        assert look["markerfacecolor"] == look["color"]
    [look] = curves(["sac network=mlp"]).values()
    assert (
        look.items()
        >= (curve("sac") | {"label": "SAC, MLP", "markerfacecolor": curve("sac")["color"]}).items()
    )


def test_policies_that_do_not_learn_look_as_everywhere_beside_ways_of_training() -> None:
    looks = curves([*ALGORITHMS, "greedy"])
    for name in ("nash", "greedy"):
        assert looks[name].items() >= curve(name).items()
        assert looks[name]["markerfacecolor"] == curve(name)["color"]


def test_all_ways_have_the_policys_colour_and_the_first_its_line_and_marker() -> None:
    looks = curves(UPGRADE)
    assert {look["color"] for look in looks.values()} == {policy_style("sac").colour}
    first = looks[UPGRADE[0]]
    assert (first["linestyle"], first["marker"]) == ("-", "o")
    others = curves(ALGORITHMS)
    for name in ("sac network=pointer", "rllib_sac network=pointer", "ppo network=mlp"):
        policy = name.split()[0]
        assert (others[name]["linestyle"], others[name]["marker"]) == policy_style(policy)[2:]


@pytest.mark.parametrize(
    "names", [UPGRADE, UPGRADE[:3], [f"sac gamma=0.{digit}" for digit in (1, 3, 5, 7, 9)]]
)
def test_ways_are_told_apart_without_colour_by_line_and_by_marker(names: list[str]) -> None:
    for one, other in combinations(curves(names).values(), 2):
        assert one["linestyle"] != other["linestyle"]
        assert (one["marker"], one["markerfacecolor"]) != (
            other["marker"],
            other["markerfacecolor"],
        )


def test_a_setting_is_the_same_mark_for_every_policy_and_beside_every_other_setting() -> None:
    for names in (UPGRADE, ALGORITHMS):
        for name, look in curves(names).items():
            assert (look["markerfacecolor"] == "white") == ("network=mlp" in name)
    forms = {name.split()[2]: look["marker"] for name, look in curves(UPGRADE).items()}
    assert forms == {"start=scratch": "o", "start=zero_shot": "s", "start=both": "^"}


def test_a_setting_that_only_some_trainings_have_tells_them_from_the_rest() -> None:
    plain, small = curves(["sac", "sac network=mlp"]).values()
    assert plain["linestyle"] != small["linestyle"]
    assert (plain["markerfacecolor"], small["markerfacecolor"]) == (
        policy_style("sac").colour,
        "white",
    )
