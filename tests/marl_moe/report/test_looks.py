"""Colours are far enough from the paper, light and dark; dashes and markers tell curves apart."""

import pytest

from marl_moe.report.looks import CONTRAST, CURVES, PAPER, contrast, curve_look, policy_look
from paper_figures import style

POLICIES = [*style._POLICIES, *(f"mine_{number}" for number in range(12))]


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # WebAIM's checker
    assert contrast("#ff0000", "#ffffff") == pytest.approx(4.00, abs=0.005)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_policy_and_curve_stands_out_from_the_paper(theme: str) -> None:
    looks = [policy_look(policy, POLICIES) for policy in POLICIES]
    looks += [curve_look(place) for place in range(len(CURVES))]
    assert all(contrast(look[theme], PAPER[theme]) >= CONTRAST for look in looks)


def test_without_colour_no_two_policies_look_alike() -> None:
    looks = [policy_look(policy, POLICIES) for policy in POLICIES]
    assert len({(look["dash"], look["symbol"]) for look in looks}) == len(POLICIES)
    assert len({curve_look(place)["dash"] for place in range(len(CURVES))}) == len(CURVES)


def test_a_policy_has_on_white_the_colour_of_the_figures() -> None:
    assert (
        policy_look("sac", ["sac", "greedy"])["light"] == style.policy_style("sac").colour.lower()
    )
