"""Sensing beside serving: the radar against published numbers, and what pays for it."""

import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace
from math import pi
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

import envs.duty
import mechanisms
from envs import DutyConfig, World, WorldConfig
from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.reading import load_experiment
from mechanisms import Duties, Market
from mechanisms.testing import check_mechanism, draw_market


@pytest.fixture(scope="module", autouse=True)
def scenario() -> Iterator[None]:
    """Use the code of the scenario, and leave it again."""
    load_experiment("isac")
    yield
    load_experiment("quickstart")


@pytest.fixture
def isac() -> ModuleType:
    return sys.modules["isac"]


@pytest.fixture
def sense_and_serve() -> ModuleType:
    return sys.modules["sense_and_serve"]


def radar(**parameters: Any) -> Any:
    return envs.duty.DUTIES.make("radar", **parameters)


@pytest.mark.parametrize(
    ("detection", "false_alarm", "snr_db"),
    [(0.5, 1e-6, 12.77), (0.9, 1e-6, 21.14), (0.9, 1e-4, 19.37), (0.5, 1e-4, 10.89)],
)
def test_a_swerling_1_target_needs_the_published_snr(
    isac: ModuleType, detection: float, false_alarm: float, snr_db: float
) -> None:
    snr = isac.required_snr(detection, false_alarm)
    assert 10 * np.log10(snr) == pytest.approx(snr_db, abs=0.005)
    assert isac.detection_probability(snr, false_alarm) == pytest.approx(detection, rel=1e-12)


def test_chirps_that_are_simulated_are_detected_as_often_as_the_closed_form_says(
    isac: ModuleType,
) -> None:
    # A Swerling 1 target: one complex Gaussian amplitude a look, noise anew in each of n chirps.
    rng, looks, n, snr, false_alarm = np.random.default_rng(0), 40_000, 8, 2.0, 1e-2

    def gaussian(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)

    noise = gaussian(looks, n)
    threshold = -np.log(false_alarm) * n  # of the sum's power: noise of n chirps has mean n
    alarms = np.mean(np.abs(noise.sum(axis=1)) ** 2 > threshold)
    echoes = np.sqrt(snr) * gaussian(looks, 1) + noise
    detections = np.mean(np.abs(echoes.sum(axis=1)) ** 2 > threshold)
    assert alarms == pytest.approx(false_alarm, abs=4 * np.sqrt(0.01 / looks))
    expected = float(isac.detection_probability(n * snr, false_alarm))
    assert detections == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(looks))


def test_worked_examples_of_textbooks_come_out(isac: ModuleType) -> None:
    # Mahafza, Radar Systems Analysis and Design Using MATLAB, chapter 1: a C-band radar of 1.5 MW,
    # 5.6 GHz, 45 dB, pulses of 0.2 us (5 MHz), F = 3 dB, 290 K, 0.1 m2 and 20 dB reaches 86.2 km.
    # The book adds rounded dB: 0.08 dB, which is 0.4 km.
    snr = isac.pulse_snr(1.5e6, 45, 5.6e9, 0.1, 86.2e3, 5e6, 3, 0)
    assert 10 * np.log10(snr) == pytest.approx(20, abs=0.1)
    # Power received: 1 kW, 36 dB, 5.65 GHz, 1 m2 at 75 nautical miles give 6.0e-17 W (a course's
    # example 7-2).
    noise_w = 1.380649e-23 * 290 * 1e6
    received_w = isac.pulse_snr(1e3, 36, 5.65e9, 1, 75 * 1852, 1e6, 0, 0) * noise_w
    assert received_w == pytest.approx(6.0e-17, rel=0.01)


def test_a_radar_resolves_half_a_band_inverse_so_that_the_service_has_none_to_lend(
    isac: ModuleType,
) -> None:
    assert isac.resolution_m(1e3) == pytest.approx(150e3, rel=1e-3)
    assert isac.resolution_m(1e8) == pytest.approx(1.5, rel=1e-3)


def test_a_second_of_sensing_is_the_radar_equation_with_every_gain_in_it(isac: ModuleType) -> None:
    one = radar()
    wavelength_m = 299_792_458 / 24.15e9
    power = 1e-3 * 100**2 * wavelength_m**2 * 1.0 / ((4 * pi) ** 3 * 200**4)
    noise = 1.380649e-23 * 290 * 1e4 * 10**0.9 * 10**0.6  # by chirp, compressed to 10 kHz
    chirps = 1e4 / 72
    assert one.snr_per_second == pytest.approx(power / noise * chirps, rel=1e-12)


def test_the_snr_falls_with_the_fourth_power_of_range_and_time_makes_up_for_it() -> None:
    near, far = radar(range_m=100.0), radar(range_m=200.0)
    assert near.snr_per_second == pytest.approx(16 * far.snr_per_second, rel=1e-12)
    assert far.time_s(0.9) == pytest.approx(16 * near.time_s(0.9), rel=1e-12)
    car = radar(rcs_m2=10.0, range_m=200 * 10**0.25)
    assert car.time_s(0.9) == pytest.approx(far.time_s(0.9), rel=1e-12)


def test_the_time_needed_is_the_least_that_reaches_a_probability() -> None:
    one = radar()
    grid_s = np.linspace(0, 6, 600_001)
    reached = one.achieved(grid_s)
    assert (np.diff(reached) > 0).all()
    for detection in (1e-3, 0.1, 0.5, 0.8, 0.9, 0.94):
        first = grid_s[np.argmax(reached >= detection)]  # by trying all
        assert one.time_s(detection) == pytest.approx(first, abs=1.1e-5)
        assert one.achieved(one.time_s(detection)) == pytest.approx(detection, rel=1e-12)
    assert one.time_s(1e-6) == 0
    assert one.achieved(0.0) == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("range_m", 0.0),
        ("range_m", float("inf")),
        ("rcs_m2", -1.0),
        ("dwells", 0),
        ("false_alarm", 0.0),
        ("false_alarm", 1.0),
        ("losses_db", float("nan")),
        ("consumption_w", -0.1),
        ("bandwidth_hz", 1e3),
    ],
)
def test_what_is_no_radar_is_refused_by_its_key(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=key):
        radar(**{key: value})


def owing(detection: float) -> WorldConfig:
    """Return the scenario's world where experts owe a probability of detection."""
    config = load_experiment("isac").env
    assert config.duty is not None
    return replace(config, duty=replace(config.duty, required=detection))


def test_a_duty_that_an_expert_has_no_time_for_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValidationError, match=r"duty.required: 0.96 takes .* s of a slot"):
        owing(0.96)
    with pytest.raises(ValidationError, match="below 1"):
        owing(1.0)
    with pytest.raises(SpecError, match="range_m"):
        load_experiment("isac", ("env.duty.task.rang_m=100",))


def test_metrics_and_time_agree_with_the_closed_form() -> None:
    world = World(owing(0.8), 2, seed=0, mechanism=mechanisms.make("budgeted_price"))
    slot = world.slot
    *_, result = world.step(np.full((2, 16), 30))
    metrics = sys.modules["isac"]
    np.testing.assert_allclose(metrics.detection(slot, result), 0.8, rtol=1e-9)
    share = float(radar().time_s(0.8)) / 6
    np.testing.assert_allclose(metrics.sensing(slot, result), share, rtol=1e-9)
    assert not metrics.sensing_payment(slot, result).any()
    cost = share * 6 * 0.1 * 0.5
    worth = 30 * (0.3 * 0.8 - cost) / 16
    np.testing.assert_allclose(metrics.total_welfare(slot, result), worth, rtol=1e-6)


def market_of(seed: int, experts: int = 3, budget: float = 1.0) -> Market:
    """Return a market of radars at drawn costs and airtimes."""
    rng = np.random.default_rng(seed)
    ones = np.ones(experts)
    task, levels = radar(), 6
    time_s = task.time_s(np.linspace(1e-6, 0.95, levels)) * ones[:, None]
    airtime_s = rng.uniform(1, 8, experts)
    duties = Duties(
        share=time_s / 6,
        achieved=task.achieved(time_s),
        cost=task.cost(time_s),
        kept=np.minimum((6 - time_s) / airtime_s[:, None], 1),
        value=0.6 * ones,
    )
    return Market(
        rng.uniform(0.1, 1, experts),
        rng.uniform(0.2, 0.8, experts),
        rng.uniform(0.2, 1.5, experts),
        4.0 * ones,
        np.array(budget),
        duties=duties,
    )


def outcomes_of(market: Market, outcome: Any) -> tuple[float, float]:
    """Return welfare and payments of an outcome, by each device's own choice in plain numbers."""
    duties = market.duties
    assert duties is not None
    worth = paid = 0.0
    for e in range(market.num_experts):
        kappa, slope, demand = market.unit_cost[e], market.cost_slope[e], market.demand[e]
        price, unit = outcome.unit_price[e], outcome.duty.price[e]
        effort = float(np.clip((price - kappa) / slope, 0, 1))
        profit = demand * ((price - kappa) * effort - slope * effort**2 / 2)
        earned = unit * duties.achieved[e] - duties.cost[e] + profit * duties.kept[e]
        k = int(np.argmax(earned))
        served = demand * (market.value[e] * effort - kappa * effort - slope * effort**2 / 2)
        worth += duties.kept[e, k] * served + 0.6 * duties.achieved[e, k] - duties.cost[e, k]
        paid += duties.kept[e, k] * price * demand * effort + unit * duties.achieved[e, k]
        assert k == outcome.duty.level[e]  # what it orders is the device's own best choice
    return float(worth), float(paid)


@pytest.mark.parametrize("budget", [0.0, 0.3, 1.0, 3.0, 100.0])
def test_the_mechanism_keeps_its_budget_and_is_next_to_the_best_of_all_choices(
    sense_and_serve: ModuleType, budget: float
) -> None:
    for seed in range(4):
        market = market_of(seed, budget=budget)
        options = sense_and_serve.Options.of(market, 1.0)
        worth, paid = outcomes_of(market, mechanisms.make("sense_and_serve").clear(market))
        assert paid <= budget * (1 + 1e-9) + 1e-9
        # All choices of 3 devices: of each what costs least for its worth, or every one.
        kept = [undominated(options, e) for e in range(3)]
        best, most = -np.inf, 0.0
        for chosen in itertools.product(*kept):
            if sum(cost for _, cost in chosen) <= budget * (1 + 1e-9) + 1e-12:
                best = max(best, sum(gain for gain, _ in chosen))
        for e in range(3):
            steps = np.diff(sorted(gain for gain, _ in kept[e]))
            most = max(most, float(steps.max(initial=0.0)))
        assert worth <= best + 1e-6
        assert worth >= best - 2 * most - 1e-6
        assert worth >= 0.95 * best - 1e-6


def undominated(options: Any, e: int) -> list[tuple[float, float]]:
    """Return worth and payment of the options of a device that no cheaper one is as good as."""
    pairs = sorted(
        (float(paid), -float(worth))
        for worth, paid, possible in zip(
            options.worth[e], options.paid[e], options.possible[e], strict=True
        )
        if possible
    )
    found: list[tuple[float, float]] = []
    for paid, loss in pairs:
        if not found or -loss > found[-1][0] + 1e-12:
            found.append((-loss, paid))
    return found


def test_with_money_to_spare_every_device_does_what_is_best_for_all() -> None:
    market = market_of(1, budget=1e6)
    outcome = mechanisms.make("sense_and_serve").clear(market)
    worth, _ = outcomes_of(market, outcome)
    duties = market.duties
    assert duties is not None
    best = 0.0
    for e in range(3):
        x = np.linspace(0, 1, 21)
        kappa, slope = market.unit_cost[e], market.cost_slope[e]
        served = market.demand[e] * (4.0 * x - kappa * x - slope * x**2 / 2)
        table = duties.kept[e][None] * served[:, None] + 0.6 * duties.achieved[e] - duties.cost[e]
        best += table.max()
    assert worth == pytest.approx(best, rel=0.02)  # some levels are best at no price


def test_a_duty_of_no_worth_is_not_paid_for_and_prices_are_those_of_budgeted_price() -> None:
    market = replace(market_of(2, experts=5, budget=2.0))
    free = mechanisms.make("sense_and_serve", weight=0.0).clear(market)
    assert free.duty is not None
    assert not free.duty.price.any()
    assert not free.duty.level.any()
    alone = replace(market, duties=None)
    ours, theirs = (
        mechanisms.make(name).clear(alone) for name in ("sense_and_serve", "budgeted_price")
    )
    assert theirs.welfare * 0.97 <= ours.welfare <= theirs.welfare + 1e-9


def test_the_mechanism_is_one_and_keeps_its_claims() -> None:
    check_mechanism(mechanisms.make("sense_and_serve"), misreports=0)
    market = draw_market(0)
    assert mechanisms.make("sense_and_serve").clear(market).duty is None


@pytest.mark.parametrize(("key", "value"), [("weight", -1.0), ("weight", None), ("budget", "x")])
def test_parameters_of_the_mechanism_are_checked(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"sense_and_serve: {key}"):
        mechanisms.make("sense_and_serve", **{key: value})


def test_payments_in_a_world_stay_within_budgets_to_date_and_buy_both() -> None:
    config = load_experiment("isac").env
    world = World(config, 3, seed=0, mechanism=mechanisms.make("sense_and_serve"))
    paid = sensing = np.zeros(3)
    for number in range(1, 21):
        slot = world.slot
        gain = np.where(slot.mask[..., :-1], slot.expected_gain(), -np.inf)
        *_, result = world.step(gain.argmax(axis=-1))
        paid = paid + result.payment.sum(axis=-1)
        sensing = sensing + sys.modules["isac"].sensing_payment(slot, result) * 16
        assert (paid <= number * 8.0 * (1 + 1e-9)).all()
    assert (sensing > 10).all()
    assert (paid - sensing > 10).all()


def test_a_world_of_the_same_duty_says_so_in_its_configuration() -> None:
    config = load_experiment("isac").env
    assert isinstance(config.duty, DutyConfig)
    assert config.duty.made() == radar()  # the numbers of the study are the radar's own


def test_the_smoke_run_ends_with_tables_and_the_figure(tmp_path: Path) -> None:
    # With what learns it is run in tests/marl_moe/experiment/spec/test_sizes.py.
    command = ["run", "isac", "--size", "smoke", "--set", "algorithm=null", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    run = tmp_path / "isac_smoke"
    assert (run / "figures" / "isac.pdf").exists()
    market = pd.read_parquet(run / "market.parquet")
    paid = market[market["mechanism"] == "sense_and_serve"]
    fixed = market[market["mechanism"] == "budgeted_price"]
    np.testing.assert_allclose(fixed["duty_achieved"], 0.8, rtol=1e-9)
    assert not fixed["duty_payment"].any()
    assert paid["duty_payment"].sum() > 0
