"""The slot that docs/model.md computes by hand: its numbers, and the world against them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    SlotResult,
    World,
    WorldConfig,
)
from envs.channel import Arrays, ChannelProcess, register

Numbers = dict[str, dict[str, list[float]]]
Prices = Callable[..., mechanisms.Mechanism]
PARTS = ("users pay for the answers", "experts pay for the answers")
DIGITS = {"abs": 5.1e-5}  # the page has four places


@register("snr_by_hand")
@dataclass(frozen=True)
class SnrByHand(ChannelProcess):
    """The same SNR in every slot, given for each user and expert."""

    linear: list[list[float]]

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": np.broadcast_to(10 * np.log10(self.linear), shape).astype(np.float32)}


def by_hand(folder: Path, fixed_prices: Prices, downlink_energy: str) -> World:
    """Return the world of the page, in the slot that it computes."""
    table = folder / "competence.json"
    table.write_text(json.dumps({"competence": [[1.0, 0.3], [0.2, 0.4]]}))
    config = WorldConfig(
        num_users=3,
        num_experts=2,
        slot_s=6.0,
        requests=RequestConfig(num_subtasks=4, num_topics=2, num_transferred=1),
        channel=ChannelConfig(
            process="snr_by_hand",
            parameters={"linear": [[15.0, 7.0], [3.0, 7.0], [15.0, 7.0]]},
            bandwidth_hz=1000.0,
            bits_per_word=50.0,
            prompt_words=20.0,
            tx_power_w=0.2,
        ),
        experts=ExpertConfig(
            competence=str(table),
            words_per_second=60.0,
            unit_cost=(0.5, 0.5),
            cost_slope=(1.0, 1.0),
        ),
        quality=QualityConfig(drop_loss=1.0, recovered_share=0.8, deadline_s=14.0, lateness_s=4.0),
        reward=RewardConfig(
            credits_per_joule=0.3, credits_per_second=0.02, downlink_energy=downlink_energy
        ),
        market=MarketConfig(effort="bought"),
    )
    world = World(config, seed=0, mechanism=fixed_prices([2.0, 0.8]))
    world.occupancy = replace(
        world.occupancy,
        airtime_backlog_s=np.array([[1.0, 3.0]]),
        compute_backlog_s=np.array([[0.5, 0.0]]),
    )
    for user, subtask in enumerate(
        ((0.5, 180.0, 1.0, 0), (0.25, 140.0, 1.5, 0), (0.75, 220.0, 0.6, 1))
    ):
        world.place_subtask(0, user, *subtask)
    return world


@pytest.mark.parametrize("part", PARTS)
def test_the_world_gives_every_number_of_the_page(
    part: str, slot_by_hand: Numbers, fixed_prices: Prices, tmp_path: Path
) -> None:
    downlink_energy = "user" if part == PARTS[0] else "edge_device"
    world = by_hand(tmp_path, fixed_prices, downlink_energy)
    assert world.slot.mask[0, [0, 1, 2], [0, 0, 1]].all()  # alone nobody would be declined
    _, reward, result = world.step([[0, 0, 1]])
    numbers = slot_by_hand[part]
    assert set(SlotResult._fields) <= set(numbers)
    for name in SlotResult._fields:
        found = np.atleast_1d(np.asarray(getattr(result, name)[0], float)).tolist()
        assert found == pytest.approx(numbers[name], **DIGITS), name
    for name in ("airtime_backlog_s", "compute_backlog_s"):
        found = getattr(world.occupancy, name)[0].tolist()
        assert found == pytest.approx(numbers[name], **DIGITS), name
    np.testing.assert_array_equal(reward, result.gain.astype(np.float32))


def test_the_working_of_the_page_is_arithmetic(slot_by_hand: Numbers) -> None:
    words, compute, weight = (180, 140, 220), (1.0, 1.5, 0.6), (0.5, 0.25, 0.75)
    efficiency, price = (4, 2, 3), (2.0, 2.0, 0.8)  # log2 of 16, 4 and 8
    work = [w * c / 1.0 for w, c in zip(words, compute, strict=True)]
    reference = [0.8 * 1.0 * amount / 200 for amount in work]
    bits = [50 * (20 + w) for w in words]
    airtime = [b / (1000 * eta) for b, eta in zip(bits, efficiency, strict=True)]
    sent = [2 * airtime[0], 2 * airtime[1], airtime[2]]
    computing = [0.5 + (work[0] + work[1]) / 60] * 2 + [work[2] / 60]
    delay = [a + t + c for a, t, c in zip((1, 1, 3), sent, computing, strict=True)]
    late = [min(1.0, exp(-(t - 14) / 4)) for t in delay]
    loss = [1.0 * 4 * g for g in weight]
    points = [0.8 * d * a * f for d, a, f in zip(loss, (1.0, 1.0, 0.4), late, strict=True)]
    effort = [
        min((p * q - 0.5 * w) / w, 1.0) for p, q, w in zip(price, points, reference, strict=True)
    ]
    profit = [
        p * q * x - w * (0.5 * x + x**2 / 2)
        for p, q, w, x in zip(price, points, reference, effort, strict=True)
    ]
    expected = {
        r"\omega": work,
        "w": reference,
        "L": bits,
        "A": airtime,
        "A / b": sent,
        r"\mathcal{E}": [0.2 * a for a in airtime],
        "C": computing,
        "T": delay,
        r"\mathrm{late}": late,
        "D": loss,
        "q_1": points,
        "x": effort,
        r"\mathrm{profit}": profit,
    }
    assert slot_by_hand["working"].keys() == expected.keys()
    for name, values in expected.items():
        assert slot_by_hand["working"][name] == pytest.approx(values, **DIGITS), name


@pytest.mark.parametrize("part", PARTS)
def test_the_results_of_the_page_keep_its_identities(part: str, slot_by_hand: Numbers) -> None:
    numbers = slot_by_hand[part]
    words, loss = (180, 140, 220), numbers["local_qos"]
    rounding = {"abs": 1e-3}  # five credits a point of four places
    for u in range(3):
        gain = 5 * (numbers["qos"][u] - numbers["harm"][u]) - numbers["charge"][u]
        gain -= 0.3 * numbers["energy_j"][u] + 0.02 * numbers["delay_s"][u]
        gain -= 0.0025 * words[u] * numbers["transferred"][u]
        assert numbers["gain"][u] == pytest.approx(gain, **rounding)
        assert numbers["utility"][u] == pytest.approx(5 * (8.8 - loss[u]) + gain, **rounding)
        assert numbers["local_gain"][u] == pytest.approx(5 * loss[u] - 0.0025 * words[u])
        assert numbers["local_utility"][u] == pytest.approx(44 - 0.0025 * words[u])
    assert sum(numbers["charge"]) == pytest.approx(sum(numbers["payment"]), **rounding)
    energy_j = sum(numbers["energy_j"]) + sum(numbers["edge_energy_j"])
    assert energy_j == pytest.approx(0.2 * sum(numbers["airtime_s"]), **rounding)
    for e in range(2):
        assert numbers["payment"][e] >= numbers["edge_cost"][e]
