"""How the curves of one policy trained in several ways are told apart."""

from itertools import combinations

import pytest

from paper_figures.style import curve, policy_style
from paper_figures.variants import curves, label

UPGRADE = [f"network={network} start={start}" for network in ("pointer", "mlp") for start in ("scratch", "zero_shot")]
ALGORITHMS = [
    ("sac", "network=pointer"),
    ("sac", "network=mlp"),
    ("rllib_sac", "network=pointer"),
    ("ppo", "network=mlp"),
]


@pytest.mark.parametrize(
    ("policy", "way", "shown"),
    [
        ("sac", "", "SAC (proposed)"),
        ("sac", "network=mlp", "SAC, MLP"),
        ("rllib_sac", "network=pointer start=zero_shot", "RLlib SAC, pointer, zero-shot"),
        ("sac", "gamma=0.3 twin_q=True", "SAC, gamma 0.3, twin_q True"),
        ("ppo", "large_batch", "PPO, large batch"),
        ("sac_stochastic", "network=mlp", "SAC (stochastic), MLP"),
    ],
)
def test_a_curve_is_named_after_its_policy_and_how_it_was_trained(policy: str, way: str, shown: str) -> None:
    assert label(policy, way) == shown


def test_a_policy_trained_in_one_way_looks_as_everywhere() -> None:
    looks = curves([("sac", ""), ("ppo", "")])
    assert {policy: look.items() >= curve(policy).items() for (policy, _), look in looks.items()} == {
        "sac": True,
        "ppo": True,
    }
    [look] = curves([("sac", "network=mlp")]).values()
    assert look.items() >= (curve("sac") | {"label": "SAC, MLP"}).items()
    assert "markerfacecolor" not in look


def test_all_ways_have_the_policys_colour_and_the_first_its_line_and_marker() -> None:
    looks = curves([("sac", way) for way in UPGRADE])
    assert {look["color"] for look in looks.values()} == {policy_style("sac").colour}
    first = looks["sac", UPGRADE[0]]
    assert (first["linestyle"], first["marker"]) == ("-", "o")


def test_ways_are_told_apart_without_colour_by_line_and_by_marker() -> None:
    for one, other in combinations(curves([("sac", way) for way in UPGRADE]).values(), 2):
        assert one["linestyle"] != other["linestyle"]
        assert (one["marker"], one.get("markerfacecolor")) != (other["marker"], other.get("markerfacecolor"))


def test_a_setting_is_the_same_mark_for_every_policy_and_beside_every_other_setting() -> None:
    for trained in ([("sac", way) for way in UPGRADE], ALGORITHMS):
        for (_, way), look in curves(trained).items():
            assert (look.get("markerfacecolor") == "white") == ("network=mlp" in way)
            assert look["markeredgecolor"] == look["color"]  # which an open marker is drawn in
    forms = {way.split()[1]: look["marker"] for (_, way), look in curves([("sac", way) for way in UPGRADE]).items()}
    assert forms == {"start=scratch": "o", "start=zero_shot": "s"}


def test_a_setting_that_only_some_trainings_have_tells_them_from_the_rest() -> None:
    plain, small = curves([("sac", ""), ("sac", "network=mlp")]).values()
    assert plain["linestyle"] != small["linestyle"]
    assert small["markerfacecolor"] == "white"
    assert "markerfacecolor" not in plain
