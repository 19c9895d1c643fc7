"""The reference world holds what studies ask of it: there is something to gain, and to lose."""

import pytest

import mechanisms
from mechanisms.effort import EFFORTS, Effort
from tests.marl_moe.reference_world import came, gains, pairs, reference, value_of_point


def test_two_pairs_of_five_have_something_to_trade() -> None:
    found = pairs(reference())
    assert found.trade >= 0.4
    assert found.trade < found.covered < 1  # places matter
    assert found.own_topic > found.trade  # and so do topics


def test_rules_and_the_equilibrium_are_well_apart_and_abandoning_all_is_best_for_nobody() -> None:
    gain = gains(reference())
    assert gain["nash"] > 1.1 * gain["better_response"] > 1.1 * 1.2 * gain["greedy"]
    assert gain["nash"] > gain["crowd"] > gain["better_response"]
    assert gain["greedy"] > 0.1 * gain["nash"] > gain["abandon"] == 0


def test_the_market_is_told_what_a_point_is_worth_net_of_words_and_energy() -> None:
    config = reference()
    assert config.market.value == pytest.approx(value_of_point(config), abs=0.05)


@pytest.mark.parametrize(
    ("name", "effort"),
    [
        (name, effort)
        for name in mechanisms.names()
        for effort in EFFORTS
        if effort in mechanisms.make(name).claims.regimes
    ],
)
def test_every_mechanism_trades(name: str, effort: Effort) -> None:
    found = came(reference(), name, effort, num_worlds=2)
    assert found.served > 0.15
    assert found.gain > 0
    assert (found.payment > 0) != (name == "none")
    assert 0.5 < found.delivered <= 1 + 1e-6
