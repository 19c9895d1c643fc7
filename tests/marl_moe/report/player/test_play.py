"""A recorded episode is the evaluation's own: same worlds, same choices, same money."""

from collections.abc import Callable

import numpy as np
import pytest

import mechanisms
from envs import ChannelConfig, ExpertConfig, ObservationConfig, RequestConfig, WorldConfig
from marl_moe.experiment.study.evaluation import evaluate, make_heuristic
from marl_moe.policies.base import Policy
from marl_moe.policies.sides import NOBODY, MixPolicy, Sides
from marl_moe.report.player.insight import Insight
from marl_moe.report.player.play import Recording, record
from marl_moe.report.player.reasons import PAIRS
from marl_moe.report.player.slots import NOT_ALLOWED, OUTCOMES, SERVED

SEED, EPISODES = 3, 4
FEW = {"num_users": 3, "num_experts": 5, "episode_slots": 8}
WORLDS = {
    "free": (WorldConfig(**FEW), "none"),
    "priced": (
        WorldConfig(
            **FEW,
            requests=RequestConfig(arrival_probability=0.6),
            experts=ExpertConfig(
                availability_probability=0.5, max_concurrent=1, unit_cost=(0.0, 0.5)
            ),
        ),
        "posted_price",
    ),
    "places, lists and budgets": (
        WorldConfig(
            num_users=4,
            num_experts=9,
            episode_slots=8,
            energy_budget_j=0.05,
            channel=ChannelConfig(process="geometric", geometry={}),
            observation=ObservationConfig(candidates=4),
        ),
        "posted_price",
    ),
    "allocated": (WorldConfig(**FEW), "vcg"),
    "one budget for all": (WorldConfig(**FEW), "budgeted_price"),
}


def played(
    policy: Policy, world: str, sides: Sides = NOBODY, insight: Insight | None = None
) -> list[Recording]:
    config, mechanism = WORLDS[world]
    made = mechanisms.make(mechanism)
    return record(policy, insight or Insight(), config, made, SEED, EPISODES, 2, sides)


@pytest.mark.parametrize("name", ["crowd", "random", "better_response", "nash"])
@pytest.mark.parametrize("world", WORLDS)
def test_recording_changes_nothing_gains_are_those_of_the_evaluation(name: str, world: str) -> None:
    config, mechanism = WORLDS[world]
    policy, other = (make_heuristic(name, SEED) for _ in range(2))
    made = mechanisms.make(mechanism)
    rows = evaluate(policy, config, made, SEED, EPISODES).evaluation
    for episode, recording in enumerate(played(other, world)):
        row = rows[rows["episode"] == episode].iloc[0]
        for column in ("gain", "qos", "charge"):
            # one order of sums in the table, another here
            assert recording.played[column].mean() == pytest.approx(row[column], rel=1e-12), column
        profit = (
            recording.played["payment"] - recording.played["edge_cost"]
        ).sum() / config.episode_slots
        assert profit == pytest.approx(row["edge_utility"], rel=1e-12)
        served = (recording.played["outcome"] == SERVED).mean()
        assert served == pytest.approx(row["transferred"], rel=1e-12)


def test_an_episode_of_the_first_of_several_batches_is_the_evaluations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("marl_moe.experiment.study.evaluation.WORLDS_AT_ONCE", 3)
    config, mechanism = WORLDS["priced"]
    made = mechanisms.make(mechanism)
    rows = evaluate(make_heuristic("crowd", SEED), config, made, SEED, EPISODES).evaluation
    gains = [
        recording.played["gain"].mean()
        for recording in played(make_heuristic("crowd", SEED), "priced")
    ]
    assert gains == pytest.approx(list(rows["gain"][:2]), rel=1e-12)


@pytest.mark.parametrize("world", WORLDS)
def test_what_no_action_changes_is_the_same_for_all_policies(world: str) -> None:
    one, other = (played(make_heuristic(name, SEED), world) for name in ("greedy", "random"))
    for mine, theirs in zip(one, other, strict=True):
        for name in mine.world:
            np.testing.assert_array_equal(mine.world[name], theirs.world[name], name)
        for name in mine.kept:
            np.testing.assert_array_equal(mine.kept[name], theirs.kept[name], name)


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_a_user_alone_in_the_world_waits_and_gains_as_it_expected(share: float) -> None:
    config = WorldConfig(
        num_users=1,
        num_experts=3,
        episode_slots=40,
        requests=RequestConfig(num_transferred=1, compute_need=(4.0, 8.0)),
        experts=ExpertConfig(words_per_second=40.0, unit_cost=(0.0, 0.1), serving_share=share),
    )
    recording = record(
        make_heuristic("max_snr", 0), Insight(), config, mechanisms.make("posted_price"), 0, 1, 1
    )[0]
    met = recording.played
    served = met["outcome"][:, 0] == SERVED
    assert served.sum() > 20
    slot, column = np.flatnonzero(served), met["column"][served, 0]
    assert (met["airtime_backlog_s"] + met["compute_backlog_s"]).max() > 0
    delay = met["delay_alone_s"][slot, 0, column]
    np.testing.assert_allclose(met["delay_s"][served, 0], delay, rtol=1e-5)
    np.testing.assert_allclose(
        met["gain"][served, 0], met["expected_gain"][slot, 0, column], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        met["charge"][served, 0], met["expected_charge"][slot, 0, column], rtol=1e-4
    )


def test_which_experts_are_up_is_told_of_each_policy_since_users_empty_batteries() -> None:
    kites = {"kites": {"count": 4, "battery_j": 10.0, "joules_per_word": 0.05}}
    config = WorldConfig(num_users=6, episode_slots=20, expert_groups=kites)
    free = mechanisms.make("none")
    idle, busy = (
        record(make_heuristic(name, 0), Insight(), config, free, 0, 1, 1)[0].played
        for name in ("abandon", "greedy")
    )
    assert idle["available"].all()
    assert not busy["available"][-1].all()
    empty = list(PAIRS).index("battery empty")
    told = busy["closed"] >> empty & 1
    np.testing.assert_array_equal(told.max(axis=1), ~busy["available"])


def test_who_was_served_makes_the_load_and_a_masked_action_is_told() -> None:
    class First:
        name = "first"

        def act(self, slot):  # type: ignore[no-untyped-def]
            return np.zeros(slot.mask.shape[:2], np.int64)

    recording = played(First(), "priced")[0]
    met = recording.played
    assert set(met["outcome"].ravel()) > {SERVED, NOT_ALLOWED}
    for slot, load in enumerate(met["load"]):
        served = met["expert"][slot][met["outcome"][slot] == SERVED]
        np.testing.assert_array_equal(np.bincount(served, minlength=len(load)), load)
    closed = met["closed"][..., 0] > 0
    pending = met["outcome"] != OUTCOMES.index("idle")
    np.testing.assert_array_equal(met["outcome"] == NOT_ALLOWED, closed & pending)


def test_sides_are_played_and_their_factors_recorded() -> None:
    config, mechanism = WORLDS["priced"]
    choices = len(config.roles.report_factors)

    def sides() -> Sides:
        mix = np.eye(choices)[[choices - 1] * config.num_experts]
        return Sides(edge_devices=MixPolicy(mix, np.random.default_rng(0)))

    policy: Callable[[], Policy] = lambda: make_heuristic("greedy", SEED)  # noqa: E731
    made = mechanisms.make(mechanism)
    market = evaluate(policy(), config, made, SEED, EPISODES, sides=sides()).market
    met = played(policy(), "priced", sides())[1].played
    for (slot, expert), rows in market[market["episode"] == 1].groupby(["slot", "expert"]):
        of_interval = met["report_factor"][slot : slot + rows["num_slots"].iloc[0], expert]
        assert (of_interval == rows["report_factor"].iloc[0]).all()
        price = met["unit_price"][slot, expert]
        assert price == pytest.approx(rows["unit_price"].iloc[0], rel=1e-12)
    assert met["report_factor"].max() == config.roles.report_factors[-1]


def test_scores_are_those_by_which_a_rule_acts() -> None:
    policy = make_heuristic("better_response", SEED)
    policy.response_probability = 1.0  # type: ignore[attr-defined]
    recording = played(policy, "free")[0]
    score, column = recording.played["score"], recording.played["column"]
    sends = recording.played["outcome"] == SERVED
    best = np.nanmax(np.where(np.isnan(score), -np.inf, score), axis=-1)
    taken = np.take_along_axis(score, np.maximum(column, 0)[..., None], axis=-1)[..., 0]
    np.testing.assert_array_equal(taken[sends], best[sends])
    assert (best[recording.played["outcome"] == OUTCOMES.index("abandons")] <= 0).all()


def test_the_charges_of_an_allocation_are_its_own() -> None:
    recording = played(make_heuristic("follow_assignment", SEED), "allocated")[0]
    met = recording.played
    served = met["outcome"] == SERVED
    assert served.any()
    np.testing.assert_array_equal(met["allocated"][served], met["expert"][served])
