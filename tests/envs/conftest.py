"""Configurations and mechanisms that several test files draw from."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
)


class FixedPrices:
    """Mechanism of given prices, one an expert or one for all, that keeps the markets it clears."""

    name = "fixed_prices"
    allocates = False
    claims = mechanisms.Claims()

    def __init__(self, unit_price: float | list[float], fails_at: tuple[int, ...] = ()) -> None:
        self.unit_price = np.asarray(unit_price, float)
        self.fails_at = fails_at
        self.markets: list[mechanisms.Market] = []

    def clear(self, market: mechanisms.Market) -> mechanisms.Outcome:
        self.markets.append(market)
        if len(self.markets) - 1 in self.fails_at:
            raise mechanisms.MechanismError("no convergence")
        prices = np.broadcast_to(self.unit_price, market.demand.shape).copy()
        return mechanisms.outcome_at_prices(market, prices, status="posted", solve_seconds=0.0)


@pytest.fixture(scope="session")
def fixed_prices() -> type[FixedPrices]:
    return FixedPrices


@pytest.fixture(scope="session")
def any_actions() -> Callable[[World, np.random.Generator], np.ndarray]:
    """Return a function that draws uniform actions, masked ones included."""

    def draw(world: World, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(world.num_experts + 1, size=(world.num_worlds, world.num_users))

    return draw


@st.composite
def _requests(draw: DrawFn) -> RequestConfig:
    num_subtasks = draw(st.integers(1, 8))
    fixed = draw(st.one_of(st.none(), st.integers(1, num_subtasks)))
    return RequestConfig(
        num_subtasks=num_subtasks,
        num_topics=draw(st.integers(1, 6)),
        num_transferred=fixed,
        private_probability=0.0 if fixed else draw(st.sampled_from([0.0, 0.3])),
        local_compute=6.0 if fixed else draw(st.sampled_from([0.0, 2.0, 6.0])),
        arrival_probability=draw(st.sampled_from([1.0, 0.5])),
        zipf_exponent=draw(st.sampled_from([0.0, 1.0])),
        topic_persistence=draw(st.sampled_from([0.0, 0.8])),
    )


@st.composite
def _channel(draw: DrawFn) -> ChannelConfig:
    process = draw(st.sampled_from(["iid", "gauss_markov"]))
    access, split, ber = draw(
        st.sampled_from(
            [
                *(("spectral_density", "equal", ber) for ber in ("none", "qam", "snr")),
                *(("spectral_density", "min_delay", ber) for ber in ("none", "qam", "snr")),
                *(("total_power", "equal", ber) for ber in ("none", "qam")),
            ]
        )
    )
    keys: dict[str, Any] = {}
    if ber == "qam":
        keys["target_ber"] = draw(st.sampled_from([1e-4, 1e-2]))
    if ber == "snr":
        keys["modulation"] = draw(st.sampled_from(["qpsk", "qam16", "qam64"]))
    return ChannelConfig(
        process=process,
        speed_m_s=1.0 if process == "gauss_markov" else None,
        snr_db=draw(st.sampled_from([(5.0, 20.0), (-3.0, 8.0)])),
        bandwidth_hz=draw(st.sampled_from([500.0, 1000.0, 4000.0])),
        access=access,
        split=split,
        ber=ber,
        prompt_words=draw(st.sampled_from([0.0, 30.0])),
        **keys,
    )


@st.composite
def _experts(draw: DrawFn) -> ExpertConfig:
    speed = draw(st.sampled_from([None, 30.0, 100.0]))
    keys: dict[str, Any] = {}
    if speed is not None:
        keys["service"] = draw(st.sampled_from(["batch", "fifo"]))
    return ExpertConfig(
        words_per_second=speed,
        max_concurrent=draw(st.sampled_from([None, 1, 2])),
        availability_probability=draw(st.sampled_from([1.0, 0.6])),
        mean_competence=draw(st.sampled_from([0.26, -0.1])),
        unit_cost=draw(st.sampled_from([(0.5, 3.0), (0.0, 0.4)])),
        **keys,
    )


@st.composite
def _configs(draw: DrawFn) -> WorldConfig:
    return WorldConfig(
        num_users=draw(st.integers(1, 6)),
        num_experts=draw(st.integers(1, 8)),
        episode_slots=draw(st.integers(1, 12)),
        slot_s=draw(st.sampled_from([6.0, 20.0])),
        allow_abandon=draw(st.booleans()),
        information=draw(st.sampled_from(["known", "type"])),
        energy_budget_j=draw(st.sampled_from([None, 0.5])),
        credit_budget=draw(st.sampled_from([None, 1.0])),
        requests=draw(_requests()),
        channel=draw(_channel()),
        experts=draw(_experts()),
        quality=QualityConfig(deadline_s=draw(st.sampled_from([6.0, 12.0]))),
        reward=RewardConfig(
            credits_per_second=draw(st.sampled_from([0.0, 0.02])),
            downlink_energy=draw(st.sampled_from(["user", "edge_device"])),
        ),
        market=MarketConfig(
            effort=draw(st.sampled_from(["bought", "enforced"])),
            interval=draw(st.integers(1, 5)),
            demand_smoothing=draw(st.sampled_from([0.3, 1.0])),
            demand_floor=draw(st.sampled_from([0.0, 0.05])),
            value=draw(st.sampled_from([3.8, 2.0])),
            budget_per_user=draw(st.sampled_from([0.5, 0.05])),
            capacity=draw(st.sampled_from([1, 2])),
        ),
    )


@pytest.fixture(scope="session")
def world_configs() -> SearchStrategy[WorldConfig]:
    """Return small worlds over the whole space of configurations, without judge noise."""
    return _configs()


@pytest.fixture(scope="session")
def slot_by_hand() -> dict[str, dict[str, list[float]]]:
    """Return the numbers of the slot by hand in docs/model.md, by part and by name.

    Rows of the working go by their symbol, rows of results by the name of the field. A row has one
    number, one an expert or one a user.
    """
    page = (Path(__file__).parents[2] / "docs" / "model.md").read_text(encoding="utf-8")
    section = page.split("\n## A slot by hand\n")[1].split("\n## ")[0]
    parts: dict[str, dict[str, list[float]]] = {}
    part = "working"
    for line in section.splitlines():
        if line.startswith("### "):
            part = line.removeprefix("### ").lower()
        row = re.match(r"\| (`\w+`|\$[^$]+\$)[^|]*\|(.+)\|$", line)
        if row:
            cells = [cell.strip().replace(",", "") for cell in row[2].split("|")]
            values = [{"yes": 1.0, "no": 0.0}.get(cell) for cell in cells]
            numbers = [float(c) if v is None else v for c, v in zip(cells, values, strict=True)]
            parts.setdefault(part, {})[row[1].strip("`$")] = numbers
    return parts


NUMBERS = {
    "user_groups": {
        "local_compute": [0.0, 2.0, (1.0, 4.0)],
        "arrival_probability": [0.5, (0.2, 0.9)],
        "deadline_s": [4.0, (3.0, 12.0)],
        "lateness_s": [1.0, (1.0, 5.0)],
        "credits_per_point": [1.0, (4.0, 6.0)],
        "credits_per_word": [0.0, (0.0, 0.01)],
        "credits_per_joule": [0.0, (1.0, 3.0)],
        "credits_per_second": [0.0, (0.0, 0.1)],
        "energy_budget_j": [None, 0.2, (0.1, 0.6)],
        "credit_budget": [None, 0.5],
    },
    "expert_groups": {
        "topics": [(0,)],
        "own_competence": [0.8, (0.5, 1.0)],
        "other_competence": [(-1.0, 0.0)],
        "words_per_second": [None, 20.0, (20.0, 200.0)],
        "max_concurrent": [None, 1, (1, 3)],
        "availability_probability": [0.5, (0.0, 1.0)],
        "unit_cost": [0.0, (0.0, 1.0)],
        "cost_slope": [0.5, (0.1, 2.0)],
        "energy_cost": [0.5, (0.0, 3.0)],
        "bandwidth_hz": [700.0, (500.0, 5000.0)],
        "tx_power_w": [0.02, (0.05, 0.2)],
    },
}


@st.composite
def _groups(draw: DrawFn, numbers: dict[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """Draw one group or two, each with some numbers of its own."""
    groups = {}
    for name in ("near", "far")[: draw(st.integers(1, 2))]:
        keys = draw(st.sets(st.sampled_from(sorted(numbers)), min_size=1, max_size=5))
        own = {key: draw(st.sampled_from(numbers[key])) for key in sorted(keys)}
        groups[name] = {"count": draw(st.integers(1, 3)), **own}
    return groups


@st.composite
def _mixed(draw: DrawFn) -> WorldConfig:
    config = draw(_configs())
    for side, number in (("user_groups", "num_users"), ("expert_groups", "num_experts")):
        if draw(st.booleans()):
            groups = draw(_groups(NUMBERS[side]))
            repeated = draw(st.integers(1, 2))
            count = repeated * sum(group["count"] for group in groups.values())
            if config.reward.downlink_energy == "user":
                for group in groups.values():
                    group.pop("energy_cost", None)
            if config.requests.num_transferred is not None:
                for group in groups.values():
                    group.pop("local_compute", None)
            given = {side: groups, number: count}
            paid_by_experts = config.reward.downlink_energy == "edge_device"
            if side == "user_groups" and paid_by_experts:  # differing users need one
                given["experts"] = replace(config.experts, energy_cost=2.0)
            config = replace(config, **given)
    return config


@pytest.fixture(scope="session")
def mixed_configs() -> SearchStrategy[WorldConfig]:
    """Return a strategy that draws configurations in which agents may differ."""
    return _mixed()
