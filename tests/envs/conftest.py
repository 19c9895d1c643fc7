"""Configurations and mechanisms that several test files draw from."""

from collections.abc import Callable

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
    World,
    WorldConfig,
)


class FixedPrices:
    """Mechanism of given prices, one an expert or one for all, that keeps the markets it clears."""

    name = "fixed_prices"
    voluntary = True
    allocates = False

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
        local_compute=draw(st.sampled_from([0.0, 2.0, 6.0])),
        arrival_probability=draw(st.sampled_from([1.0, 0.5])),
        zipf_exponent=draw(st.sampled_from([0.0, 1.0])),
        topic_persistence=draw(st.sampled_from([0.0, 0.8])),
    )


@st.composite
def _channel(draw: DrawFn) -> ChannelConfig:
    process = draw(st.sampled_from(["iid", "gauss_markov"]))
    split, noise_scaling = draw(
        st.sampled_from([("equal", False), ("equal", True), ("min_delay", False)])
    )
    return ChannelConfig(
        process=process,
        speed_m_s=1.0 if process == "gauss_markov" else None,
        snr_db=draw(st.sampled_from([(5.0, 20.0), (-3.0, 8.0)])),
        bandwidth_hz=draw(st.sampled_from([500.0, 1000.0, 4000.0])),
        split=split,
        noise_scaling=noise_scaling,
        ber=draw(st.sampled_from(["none", "qam"])),
        target_ber=draw(st.sampled_from([1e-4, 1e-2])),
        prompt_words=draw(st.sampled_from([0.0, 30.0])),
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
        requests=draw(_requests()),
        channel=draw(_channel()),
        experts=ExpertConfig(
            words_per_second=draw(st.sampled_from([None, 30.0, 100.0])),
            max_concurrent=draw(st.sampled_from([None, 1, 2])),
            availability_probability=draw(st.sampled_from([1.0, 0.6])),
            mean_competence=draw(st.sampled_from([0.26, -0.1])),
        ),
        quality=QualityConfig(deadline_s=draw(st.sampled_from([6.0, 12.0]))),
        market=MarketConfig(
            interval=draw(st.integers(1, 5)),
            demand_smoothing=draw(st.sampled_from([0.3, 1.0])),
            demand_floor=draw(st.sampled_from([0.0, 0.05])),
            value=draw(st.sampled_from([3.8, 2.0])),
        ),
    )


@pytest.fixture(scope="session")
def world_configs() -> SearchStrategy[WorldConfig]:
    """Return small worlds over the whole space of configurations, without judge noise."""
    return _configs()
