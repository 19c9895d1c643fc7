"""A real subtask in a slot of a world, against the model's equations and a world played by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, Slot, WorldConfig
from envs.channel import trace
from marl_moe.errors import SpecError
from marl_moe.experiment.study.evaluation import make_heuristic
from marl_moe.text.decomposition import Subtask
from marl_moe.text.transfer import WARM_UP, UserOfWorld

CONFIG = WorldConfig(
    num_users=6,
    num_experts=12,
    requests=RequestConfig(num_transferred=1),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
)
FAST = ExpertConfig(words_per_second=250)
SUBTASK = Subtask("rain on the roof", topic=2, weight=0.3, compute_need=0.75, words=150)


class Always:
    """Every user takes one expert; -1 abandons."""

    name = "always"

    def __init__(self, expert: int) -> None:
        self.expert = expert

    def act(self, slot: Slot) -> np.ndarray:
        return np.full((slot.num_worlds, slot.num_users), self.expert % (slot.num_experts + 1))


def user(
    policy: object, config: WorldConfig = CONFIG, mechanism: str = "none", slots: int = 2
) -> UserOfWorld:
    return UserOfWorld(config, mechanisms.make(mechanism), policy, seed=3, num_slots=slots)


def test_its_delay_energy_and_gain_are_those_of_the_model_with_the_k_of_its_own_request() -> None:
    """The gain is 5 x 0.85 D a_eff - 0.0025 W - 2 E with D = 0.86 K g.

    K is the prompt's 3 subtasks and not the world's 8.
    """
    channel = replace(CONFIG.channel, bandwidth_hz=2000)
    here = user(Always(2), replace(CONFIG, channel=channel, experts=FAST))
    world = here.world
    backlog, snr = (
        float(world.occupancy.airtime_backlog_s[0, 2]),
        10 ** (float(world.slot.conditions.links.snr_db[0, 0, 2]) / 10),
    )
    computing = float(world.occupancy.compute_backlog_s[0, 2])
    assert min(backlog, computing) > 0
    of_all = world.slot.conditions.subtasks
    work = float((of_all.words[0, 1:] * of_all.compute[0, 1:]).sum()) + 150 * 0.75
    computing += work / 250  # all answers are ready together
    transfer = here.transfer(SUBTASK, num_subtasks=3)
    airtime = 48 * (30 + 150) / (2000 * np.log2(1 + snr))
    delay = backlog + 6 * airtime + computing  # all six share the band
    late = min(1.0, np.exp(-(delay - 6) / 3))
    gain = 5 * 0.85 * 0.86 * 3 * 0.3 * transfer.competence * late - 0.0025 * 150 - 2 * 0.1 * airtime
    assert (transfer.slot, transfer.expert, transfer.served, transfer.users) == (
        WARM_UP,
        2,
        True,
        6,
    )
    assert transfer.competence == pytest.approx(1.0, abs=0.05)  # expert 2 of 12 is of topic 2
    assert transfer.snr_db == pytest.approx(10 * np.log10(snr))
    assert transfer.delay_s == pytest.approx(delay, rel=1e-5)
    assert transfer.late_s == pytest.approx(max(0.0, delay - 6), rel=1e-5)
    assert transfer.energy_j == pytest.approx(0.1 * airtime, rel=1e-5)
    assert transfer.gain == pytest.approx(gain, rel=1e-5)
    assert (transfer.charge, transfer.effort) == (0.0, 1.0)


def test_under_a_price_the_user_pays_it_for_the_points_that_its_effort_delivers() -> None:
    here = user(
        make_heuristic("greedy", 0), mechanism="posted_price", config=WorldConfig(num_users=2)
    )
    transfer = here.transfer(SUBTASK, num_subtasks=3)
    points = 0.85 * 0.86 * 3 * 0.3 * transfer.competence * transfer.effort
    assert transfer.unit_price > 0
    assert 0 < transfer.effort <= 1
    assert transfer.charge == pytest.approx(transfer.unit_price * points)


def test_a_policy_that_abandons_asks_nobody() -> None:
    transfer = user(Always(-1)).transfer(SUBTASK, num_subtasks=3)
    assert (transfer.expert, transfer.served, transfer.users) == (None, False, 0)
    assert np.isnan(
        [transfer.delay_s, transfer.gain, transfer.charge, transfer.snr_db, transfer.late_s]
    ).all()


def test_whom_the_lottery_passes_over_is_not_served() -> None:
    config = WorldConfig(
        num_users=40,
        experts=ExpertConfig(max_concurrent=1),
        requests=RequestConfig(num_transferred=1),
    )
    here = user(Always(2), config, slots=30)
    outcomes = [here.transfer(SUBTASK, 3) for _ in range(30)]
    lost = [transfer for transfer in outcomes if not transfer.served]
    assert len(lost) > 20
    assert all(
        transfer.expert == 2 and transfer.users == 1 and transfer.energy_j == 0 for transfer in lost
    )


def test_subtasks_follow_each_other_slot_by_slot_and_the_world_has_slots_enough() -> None:
    here = user(make_heuristic("greedy", 0), slots=60)
    assert [here.transfer(SUBTASK, 3).slot for _ in range(60)] == list(range(WARM_UP, WARM_UP + 60))
    assert here.world.done


def test_the_same_seed_repeats_and_another_does_not() -> None:
    def played(seed: int) -> list[float]:
        here = UserOfWorld(
            CONFIG, mechanisms.make("none"), make_heuristic("greedy", 0), seed, num_slots=3
        )
        return [here.transfer(SUBTASK, 3).snr_db for _ in range(3)]

    assert played(1) == played(1)
    assert played(1) != played(2)


def test_a_trace_of_too_few_slots_for_the_prompt_is_a_mistake_in_the_experiment(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "links.csv")
    trace.write(path, np.full((1, WARM_UP + 2, CONFIG.num_users, CONFIG.num_experts), 12.0))
    config = replace(CONFIG, channel=ChannelConfig(process="trace", trace=path))
    transferred = user(Always(1), config).transfer(SUBTASK, 8)
    assert transferred.snr_db == 12
    with pytest.raises(SpecError, match=f"has {WARM_UP + 2} slots, the world {WARM_UP + 3}"):
        user(Always(1), config, slots=3)
