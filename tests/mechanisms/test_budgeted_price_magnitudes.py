"""Budgeted prices of markets of any magnitudes: exact, or refused with the ratio and the limit."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

import mechanisms
from mechanisms import Market, MechanismError, Outcome
from mechanisms.arrays import FloatArray


def clear(market: Market) -> Outcome:
    return mechanisms.make("budgeted_price").clear(market)


def spent(outcome: Outcome) -> FloatArray:
    return outcome.payment.sum(axis=-1)


@pytest.mark.parametrize("value", [1e7, 1e9, 1e12, 1e14])
@pytest.mark.parametrize("budget", [1e-4, 0.05])
def test_a_value_of_any_size_spends_the_budget(value: float, budget: float) -> None:
    outcome = clear(Market([0.1, 0.1], [0.2, 0.2], [1.0, 1.0], [value, value], budget))
    assert spent(outcome) == pytest.approx(budget, rel=1e-9)
    # x (kappa + slope x) = B / 2 for each of the two
    effort = (np.sqrt(0.1**2 + 4 * 0.2 * budget / 2) - 0.1) / (2 * 0.2)
    np.testing.assert_allclose(outcome.effort, effort, rtol=1e-9)


def test_a_slope_of_next_to_nothing_keeps_the_budget() -> None:
    paid = spent(clear(Market([1.0], [1e-12], [1.0], [3.0], 0.5)))
    assert 0.5 * (1 - 1e-3) <= paid <= 0.5 * (1 + 1e-9)


@pytest.mark.parametrize(
    "market",
    [
        pytest.param(Market([1.0], [1e-14], [1.0], [3.0], 0.5), id="steps of prices"),
        pytest.param(Market([1.0], [1e-17], [1.0], [3.0], 0.5), id="a slope below rounding"),
        pytest.param(Market([0.1], [0.2], [1.0], [3.0], 1e-18), id="an effort below rounding"),
        pytest.param(Market([0.1] * 2, [0.2] * 2, [1e12, 1.0], [3.0] * 2, 1e-4), id="demand"),
    ],
)
def test_what_prices_cannot_spend_is_refused_with_the_ratio_and_the_limit(market: Market) -> None:
    with pytest.raises(
        MechanismError,
        match=r"budgeted_price, world \(\): .*is \de\+1[4-8] times .* up to 1e\+12 times",
    ):
        clear(market)


def exact_prices(market: Market) -> list[Decimal]:
    """Return the prices of the optimum to 60 digits, by halving 1 / (1 + 2 mu); 0 for no effort."""
    rows = np.stack([market.unit_cost, market.cost_slope, market.demand, market.value], axis=-1)
    experts = [tuple(map(Decimal, row)) for row in rows.tolist()]
    budget = Decimal(float(market.budget))

    def efforts(t: Decimal) -> list[Decimal]:
        wish = [((2 * v - k) * t - k) / (2 * s) for k, s, _, v in experts]
        return [min(max(x, Decimal(0)), Decimal(1)) for x in wish]

    def pays(found: list[Decimal]) -> Decimal:
        return sum(
            (d * (k + s * x) * x for (k, s, d, _), x in zip(experts, found, strict=True)),
            Decimal(0),
        )

    low, high = Decimal(0), Decimal(1)
    if pays(efforts(high)) <= budget:
        low = high
    while high - low > high * Decimal("1e-40"):
        middle = (low + high) / 2
        low, high = (middle, high) if pays(efforts(middle)) <= budget else (low, middle)
    found = efforts(low)
    return [k + s * x if x else Decimal(0) for (k, s, _, _), x in zip(experts, found, strict=True)]


def test_prices_of_any_magnitudes_are_exact_and_within_the_budget_or_refused() -> None:
    rng = np.random.default_rng(0)
    refused = 0
    with localcontext(prec=60):
        for _ in range(300):
            size = rng.integers(1, 4)
            spread = rng.choice([1.0, 4.0, 8.0])
            cost_, slope, demand = 10.0 ** rng.uniform(-spread, spread, (3, size))
            value = cost_ * 10.0 ** rng.uniform(-1.0, 14.0, size)
            ample = (demand * (cost_ + slope)).sum()
            market = Market(cost_, slope, demand, value, ample * 10.0 ** rng.uniform(-10.0, 0.5))
            right = np.array(exact_prices(market), dtype=np.float64)
            # Money that the next prices in double precision would add.
            step = (demand * right * np.spacing(right) / slope)[right > 0].max(initial=0.0)
            try:
                outcome = clear(market)
            except MechanismError:
                assert step > 1e-5 * market.budget
                refused += 1
                continue
            assert spent(outcome) <= market.budget * (1 + 1e-9)
            # Exact in the price, or in the money beside an expert that is paid in larger steps.
            off = np.abs(outcome.unit_price - right)[right > 0]
            money = (demand * (2 * right - cost_) / slope)[right > 0] * off
            assert (
                (off <= 1e-13 * right[right > 0]) | (money <= 16 * step + 1e-12 * market.budget)
            ).all()
    assert refused < 60
