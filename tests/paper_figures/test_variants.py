"""One policy trained in several ways: its identity, and how its curves are told apart."""

from itertools import combinations
from typing import Any

import pytest

from paper_figures.settings import Settings
from paper_figures.style import curve, policy_style
from paper_figures.variants import Variant, curves, label, variant


def trained(policy: str, **words: Any) -> Variant:
    """The variant of a policy at a point whose algorithm has a label of words."""
    return variant(policy, {"algorithm": {"name": policy, "label": words}} if words else {})


UPGRADE = [
    trained("sac", network=net, start=start)
    for net in ("pointer", "mlp")
    for start in ("scratch", "zero_shot", "both")
]
ALGORITHMS = [
    trained("sac", network="pointer"),
    trained("sac", network="mlp"),
    trained("rllib_sac", network="pointer"),
    trained("ppo", network="mlp"),
    trained("nash"),
]


@pytest.mark.parametrize(
    ("which", "shown"),
    [
        (trained("sac"), "SAC"),
        (trained("sac", network="mlp"), "SAC, MLP"),
        (
            trained("rllib_sac", network="pointer", start="zero_shot"),
            "RLlib SAC, pointer, zero-shot",
        ),
        (trained("sac", gamma=0.3, twin_q=True), "SAC, gamma 0.3, twin_q True"),
        (trained("ppo", batch="large_batch"), "PPO, large batch"),
        (trained("sac_stochastic", network="mlp"), "SAC (stochastic), MLP"),
        (trained("nash"), "Equilibrium (full information)"),
        (
            variant("ppo", {"algorithm": {"name": "ppo", "label": "any_text = at all"}}),
            "PPO, any_text = at all",
        ),
    ],
)
def test_a_curve_is_named_after_its_policy_and_how_it_was_trained(
    which: Variant, shown: str
) -> None:
    assert label(which) == shown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"algorithm.seed": 1}, {"algorithm.seed": True}),
        ({"algorithm.seed": 1}, {"algorithm.seed": "1"}),
        ({"algorithm.seed": None}, {"algorithm.seed": "None"}),
        ({"algorithm": {"label": "a=b"}}, {"algorithm": {"label": {"a": "b"}}}),
        ({"algorithm": {"label": "a  b"}}, {"algorithm": {"label": "a b"}}),
        ({"algorithm": {"training": {"lr": 0.1}}}, {"algorithm": {"training": {"lr": 0.2}}}),
        ({"algorithm": {"hidden": [64, 64]}}, {"algorithm": {"hidden": "[64, 64]"}}),
    ],
)
def test_settings_of_the_algorithm_that_differ_as_data_are_two_variants(
    one: Settings, other: Settings
) -> None:
    assert variant("sac", one) != variant("sac", other)
    assert variant("sac", one) == variant("sac", dict(one))
    assert variant("greedy", one) == variant("greedy", other) == Variant("greedy")


def test_a_policy_trained_in_one_way_looks_as_everywhere() -> None:
    for which, look in curves([trained("sac"), trained("ppo"), trained("nash")]).items():
        assert look.items() >= curve(which.policy).items()
        assert look["markerfacecolor"] == look["color"]
    [look] = curves([trained("sac", network="mlp")]).values()
    assert (
        look.items()
        >= (curve("sac") | {"label": "SAC, MLP", "markerfacecolor": curve("sac")["color"]}).items()
    )


def test_policies_that_do_not_learn_look_as_everywhere_beside_ways_of_training() -> None:
    looks = curves([*ALGORITHMS, trained("greedy")])
    for name in ("nash", "greedy"):
        assert looks[Variant(name)].items() >= curve(name).items()
        assert looks[Variant(name)]["markerfacecolor"] == curve(name)["color"]


def test_all_ways_have_the_policys_colour_and_the_first_its_line_and_marker() -> None:
    looks = curves(UPGRADE)
    assert {look["color"] for look in looks.values()} == {policy_style("sac").colour}
    first = looks[UPGRADE[0]]
    assert (first["linestyle"], first["marker"]) == ("-", "o")
    others = curves(ALGORITHMS)
    for policy, network in (("sac", "pointer"), ("rllib_sac", "pointer"), ("ppo", "mlp")):
        look = others[trained(policy, network=network)]
        assert (look["linestyle"], look["marker"]) == policy_style(policy)[2:]


@pytest.mark.parametrize(
    "variants",
    [UPGRADE, UPGRADE[:3], [trained("sac", gamma=digit / 10) for digit in (1, 3, 5, 7, 9)]],
)
def test_ways_are_told_apart_without_colour_by_line_and_by_marker(variants: list[Variant]) -> None:
    for one, other in combinations(curves(variants).values(), 2):
        assert one["linestyle"] != other["linestyle"]
        assert (one["marker"], one["markerfacecolor"]) != (
            other["marker"],
            other["markerfacecolor"],
        )


def test_a_setting_is_the_same_mark_for_every_policy_and_beside_every_other_setting() -> None:
    for variants in (UPGRADE, ALGORITHMS):
        for which, look in curves(variants).items():
            assert (look["markerfacecolor"] == "white") == (
                dict(which.parameters).get("network") == "mlp"
            )
    forms = {
        dict(which.parameters)["start"]: look["marker"] for which, look in curves(UPGRADE).items()
    }
    assert forms == {"scratch": "o", "zero_shot": "s", "both": "^"}


def test_a_setting_that_only_some_trainings_have_tells_them_from_the_rest() -> None:
    plain, small = curves([trained("sac"), trained("sac", network="mlp")]).values()
    assert plain["linestyle"] != small["linestyle"]
    assert (plain["markerfacecolor"], small["markerfacecolor"]) == (
        policy_style("sac").colour,
        "white",
    )


def test_labels_of_two_sections_of_the_algorithm_do_not_take_each_other_s_place() -> None:
    ways = [
        {"algorithm.training": {"label": training}, "algorithm.rl_module": {"label": network}}
        for training in ("short", "long")
        for network in ("plain", "fancy")
    ]
    looks = curves([variant("sac", way) for way in ways])
    assert [look["label"] for look in looks.values()] == [
        "SAC, short, plain",
        "SAC, short, fancy",
        "SAC, long, plain",
        "SAC, long, fancy",
    ]
