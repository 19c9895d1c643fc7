import itertools

import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures.marks import binary_axis
from paper_figures.point_labels import point_label, told_apart
from paper_figures.statistics import interval_label
from paper_figures.style import (
    DOUBLE_COLUMN,
    PRINT,
    SINGLE_COLUMN,
    PolicyStyle,
    curve,
    interval_key,
    policy_style,
)

KNOWN = (
    *(
        "local",
        "sac",
        "abandon",
        "random",
        "rllib_sac",
        "ppo",
        "dqn",
        "nash",
        "optimum",
        "better_response",
        "crowd",
        "mean_field",
        "cooperative",
        "selfish",
    ),
    *("greedy", "load_aware", "round_robin", "topic_match", "max_snr"),
)


def lightness(colour: str) -> float:
    """CIE 1976 L*, 0 (black) to 100 (white), of an sRGB colour: what is left of it in grey."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def test_the_papers_four_curves_are_told_apart_in_grey_and_without_any_tone() -> None:
    looks = [policy_style(policy) for policy in ("local", "sac", "abandon", "random")]
    for one, other in itertools.combinations(looks, 2):
        assert abs(lightness(one.colour) - lightness(other.colour)) > 15, (one.label, other.label)
        assert one.line_style != other.line_style
        assert one.marker != other.marker


def test_the_main_curves_of_contention_are_told_apart_in_grey() -> None:
    main = ("sac", "nash", "optimum", "better_response")
    for one, other in itertools.combinations(main, 2):
        assert (
            abs(lightness(policy_style(one).colour) - lightness(policy_style(other).colour)) > 15
        ), (one, other)


def test_no_two_known_policies_share_a_label_colour_line_or_marker() -> None:
    for field in PolicyStyle._fields:
        looks = [getattr(policy_style(policy), field) for policy in KNOWN]
        assert len(set(looks)) == len(KNOWN), field


def test_every_known_policy_stands_out_from_the_page() -> None:
    for policy in KNOWN:
        assert lightness(policy_style(policy).colour) < 75, policy


def test_the_papers_policies_have_readable_names() -> None:
    names = {policy: policy_style(policy).label for policy in ("local", "sac", "abandon", "random")}
    assert names == {
        "local": "Upper bound (all local)",
        "sac": "SAC",
        "abandon": "Drop",
        "random": "Random",
    }


def test_equilibria_and_heuristics_have_readable_names() -> None:
    assert {policy: policy_style(policy).label for policy in KNOWN[4:17]} == {
        "rllib_sac": "RLlib SAC",
        "ppo": "PPO",
        "dqn": "DQN",
        "nash": "Equilibrium (full information)",
        "optimum": "Social optimum",
        "better_response": "Better response",
        "crowd": "Crowd",
        "mean_field": "Mean-field equilibrium",
        "cooperative": "Cooperative",
        "selfish": "Selfish",
        "greedy": "Greedy",
        "load_aware": "Shortest queue",
        "round_robin": "Round robin",
    }


FOREIGN = ("SAC, paid", "SAC, free", "two_choices", "SB3 PPO", "mine", "Poisson crowd")


def test_an_unknown_policy_has_a_look_that_does_not_depend_on_the_process() -> None:
    look = policy_style("my_new_policy")
    assert look.label == "My new policy"
    # CRC-32 is fixed by ISO 3309; Python's own hash of a string changes from one process to the
    # next. That of the name is 4284693359, 11 modulo 12: the last of the colours.
    assert look.colour == "#88bb00"


def test_policies_that_are_not_ours_differ_in_all_from_each_other_and_from_ours() -> None:
    looks = [policy_style(policy, FOREIGN) for policy in FOREIGN]
    known = [policy_style(policy) for policy in (*KNOWN, "follow_assignment")]
    for field in PolicyStyle._fields:
        values = [getattr(look, field) for look in (*looks, *known)]
        assert len(set(values)) == len(values), field
    assert all(lightness(look.colour) < 75 for look in looks)


def test_a_policy_that_is_not_ours_looks_the_same_whatever_the_order_and_ours_beside_it() -> None:
    for policy in FOREIGN:
        look = policy_style(policy, FOREIGN)
        assert policy_style(policy, (*KNOWN, *reversed(FOREIGN))) == look
        stochastic = policy_style(f"{policy}_stochastic", [*FOREIGN, f"{policy}_stochastic"])
        assert stochastic.colour == look.colour


def test_more_names_than_colours_still_have_looks_of_their_own() -> None:
    names = [f"policy {number}" for number in range(40)]
    assert len({policy_style(name, names)[1:] for name in names}) == 40


def test_a_name_that_was_chosen_for_display_is_shown_as_it_is() -> None:
    assert policy_style("SAC, paid").label == "SAC, paid"
    assert policy_style("$5 a point").label == r"\$5 a point"


def test_two_policies_of_one_label_have_their_names_in_its_place() -> None:
    among = ["sac", "SAC", "my_policy", "My policy", "mine"]
    labels = [policy_style(policy, among).label for policy in among]
    assert labels == ["sac", "SAC", "my_policy", "My policy", "Mine"]


def test_a_name_that_begins_with_an_underscore_is_listed_in_a_legend() -> None:
    ax = Figure().subplots()
    ax.plot([1, 2], label=policy_style("_mine").label)
    assert [text.get_text().strip() for text in ax.legend().get_texts()] == ["_mine"]


def test_sweep_points_of_one_label_show_all_that_they_set() -> None:
    points = [{"env.x": 1, "evaluation.env.x": 2}, {"evaluation.env.x": 1, "env.x": 2}, {"a": 3}]
    assert told_apart([point_label(point) for point in points], points) == [
        "env.x=1 evaluation.env.x=2",
        "evaluation.env.x=1 env.x=2",
        "a 3",
    ]


def test_an_axis_of_numbers_that_holds_0_is_not_logarithmic() -> None:
    ax = Figure().subplots()
    binary_axis(ax, [0, 8, 16])
    assert ax.get_xscale() == "linear"


def test_a_policy_is_heavy_only_where_it_learns() -> None:
    assert curve("sac")["linewidth"] > curve("nash")["linewidth"]
    assert curve("sac", learned=())["linewidth"] == curve("nash")["linewidth"]


def test_the_stochastic_policy_shares_its_algorithms_colour_and_nothing_else() -> None:
    learned, sampled = policy_style("sac"), policy_style("sac_stochastic")
    assert sampled.colour == learned.colour
    assert sampled.label == "SAC (stochastic)"
    assert sampled.line_style != learned.line_style
    assert sampled.marker != learned.marker


def test_widths_are_those_of_ieee_columns_and_text_is_8_pt() -> None:
    assert (PRINT | SINGLE_COLUMN)["figure.figsize"][0] == 3.5
    assert (PRINT | DOUBLE_COLUMN)["figure.figsize"][0] == 7.16
    text_sizes = {
        key: size for key, size in PRINT.items() if "font.size" in key or "labelsize" in key
    }
    assert set(text_sizes.values()) == {8}


@pytest.mark.parametrize(
    ("low", "num_seeds", "label"),
    [
        ([1.0, 1.0], [5, 5], "95% interval, 5 seeds"),
        ([1.0, 1.0], [3, 5], "95% interval, 3 to 5 seeds"),
        ([1.0, float("nan")], [3, 1], "95% interval, 3 seeds; one seed: no interval"),
        ([float("nan")] * 2, [1, 1], "one seed: no interval"),
        ([float("nan")] * 2, [0, 1], "one seed: no interval"),
        ([float("nan")] * 2, [0, 0], ""),
    ],
)
def test_the_legend_says_what_an_interval_is_over(
    low: list[float], num_seeds: list[int], label: str
) -> None:
    intervals = pd.DataFrame({"low": low, "num_seeds": num_seeds})
    assert interval_label(intervals) == label
    bar = Line2D([], [], color="black")
    key = interval_key(intervals, bar)
    assert [entry.get_label() for entry in key] == ([label] if label else [])
    assert (bar in key) == label.startswith(
        "95%"
    )  # a mark stands for what is drawn, and for nothing else
