"""A menu of contracts, effort against reward, with one for each range of an edge device's costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import ClassVar

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.base import register
from mechanisms.budget import LARGEST
from mechanisms.claims import Claims
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.reference.contract import ContractProgram
from mechanisms.solver import CVXPY, DIRECT, Solver, check_solver
from mechanisms.supply import cost, outcome_at_prices

MOST_TYPES = 1000
LEAST_SLOPE = 1e-9  # credits/point: efforts are a quotient by it


@register("contract")
@dataclass(frozen=True)
class Contract:
    """A menu for T types of edge device, of which the platform knows how their costs are spread.

    It does not know whose is which, and screens them. Costs are believed to be of one dimension,
    multiples of the base cost z(x) = kappa_0 x + slope_0 x^2 / 2 with kappa_0 and slope_0 the
    middles of the ranges: type theta bears z(x) / theta a unit of work, the reference points that
    full effort for its demand takes (`Market.work`). The platform's prior is
    kappa and slope uniform and independent in the ranges `unit_cost` and `cost_slope`,
    credits/point. It splits the cost at full effort, kappa + slope / 2, into T bins of equal
    probability; the types theta_1 < ... < theta_T are those of the highest cost of each bin. An
    edge device is of the greatest type not above its own theta = (kappa_0 + slope_0 / 2) / (kappa +
    slope / 2), so it is never dearer than its type; one above all bins has no type and is offered
    nothing.

    Program, one menu a world: maximise what a unit of work leaves the users on average,
    credits/point

        maximise   sum_t (v x(z_t) - r_t) / T
        subject to r_t - z_t / theta_t >= r_s - z_s / theta_t for all types t, s
                                                              (incentive compatibility)
                   r_t - z_t / theta_t >= 0,   0 <= z_t <= z(1)
                                                              (individual rationality)

        r   reward a unit of work, credits/point; the unit price of a delivered point is r_t /
            x(z_t) times the work that a point of demand takes, W_e / D_e
        z   base cost of the effort x(z) = (sqrt(kappa_0^2 + 2 slope_0 z) - kappa_0) / slope_0
        v   value of a unit of work, credits: sum_e D_e v_e / sum_e W_e, 0 without demand

    Jointly convex in (r, z); with `solver` cvxpy it is solved as it stands (`ContractProgram`). All
    pairs of constraints hold exactly if z grows with t and the rewards are r_t = r_(t-1) + (z_t -
    z_(t-1)) / theta_t from r_0 = z_0 = 0. On average they then cost sum_t phi_t z_t / T, with the
    virtual costs phi_t = (T - t + 1) / theta_t - (T - t) / theta_(t+1). Where these fall with t,
    each effort can be chosen alone: v = phi_t (kappa_0 + slope_0 x_t), cut to 0..1. They do fall,
    so nothing needs ironing: p q(p) is convex for the quantiles q of kappa + slope / 2, whose
    density, a convolution of uniform ones, is log-concave.

    Guarantee: if the true costs of an edge device are a multiple of the base cost, then reporting
        them is best whatever it or others report, and it does not lose. It prefers its own contract
        to all others also where its theta lies between two types (the higher one is worth taking
        only from that type's theta on), nothing depends on other reports, and a report only chooses
        a contract. Its work and its fixed cost are known and the same in every contract: they scale
        what it has, and it declines where that is less than the fixed cost, so neither changes
        which report is best. Costs, and whether it is available, are all of its report that a menu
        depends on, and both are claimed.
        For costs of another shape neither holds: one whose slope is small beside kappa would lose
        up to slope_0 / (8 theta_t) a unit of work by the truth, and declines. On a grid of the
        default prior and values of 1 to 9, the most that a lie gains over a contract that is kept
        is 0.11 credits a unit.
    Budget: charges are the payments (balance 0). `Market.budget` is *ignored*.
    No trade: where v <= phi_t kappa_0, also without demand, type t gets the contract (0, 0), at
    price 0.
    Enforced only: edge devices must give the effort of their contract or decline it. Where effort
        is bought they answer the price r_t / x(z_t) instead, no contract is kept, and nothing is
        claimed.
    Strategic side: edge devices. The users act as one.
    Source: screening after Mussa and Rosen (1978) and Maskin and Riley (1984); with types and all
        pairs of constraints as in Bolton and Dewatripont, Contract Theory, chapter 2. The cost
        model is this project's own.
    """

    name: ClassVar[str] = "contract"
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices"}),
        incentive_compatible=frozenset({"edge_devices.costs", "edge_devices.available"}),
        individually_rational=frozenset({"edge_devices"}),
        budget_balanced=True,
        condition="the costs of each edge device are a multiple of the base cost, the middles of "
        "the prior's ranges",
        regimes=frozenset({"enforced"}),
    )

    types: int = 8
    unit_cost: tuple[float, float] = (0.5, 3.0)
    cost_slope: tuple[float, float] = (0.5, 1.5)
    solver: Solver = DIRECT

    def __post_init__(self) -> None:
        check_solver(self.name, self.solver)
        if (
            isinstance(self.types, bool)
            or not isinstance(self.types, int)
            or not 1 <= self.types <= MOST_TYPES
        ):
            raise ValueError(
                f"contract: types should be a whole number in 1..{MOST_TYPES}, got {self.types!r}"
            )
        object.__setattr__(self, "unit_cost", _cost_range("unit_cost", self.unit_cost))
        object.__setattr__(self, "cost_slope", _cost_range("cost_slope", self.cost_slope))
        if self.cost_slope[0] < LEAST_SLOPE:
            raise ValueError(
                f"contract: cost_slope should begin at {LEAST_SLOPE:g} or above, got "
                f"{self.cost_slope[0]}"
            )

    @cached_property
    def program(self) -> ContractProgram:
        """The program in CVXPY."""
        return ContractProgram(self.theta, self.base_cost)

    @property
    def base_cost(self) -> tuple[float, float]:
        """Base cost: kappa_0 and slope_0, credits/point."""
        return sum(self.unit_cost) / 2, sum(self.cost_slope) / 2

    @cached_property
    def type_cost(self) -> FloatArray:
        """Cost of a point at full effort of each type (T,), credits/point, the dearest first."""
        probability = np.arange(self.types, 0, -1) / self.types
        half_slope = self.cost_slope[0] / 2, self.cost_slope[1] / 2
        return quantile_of_sum(probability, self.unit_cost, half_slope)

    @cached_property
    def theta(self) -> FloatArray:
        """Types (T,), growing."""
        return float(cost(1.0, *self.base_cost)) / self.type_cost

    @cached_property
    def virtual_cost(self) -> FloatArray:
        """Virtual costs phi (T,), falling: base cost at a type with the rents of cheaper ones."""
        return -np.diff(np.arange(self.types, 0, -1) / self.theta, append=0.0)

    def menu(self, value: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the contracts for a value (...) of a unit of work, credits.

        Returns:
            Efforts (..., T), and rewards (..., T) in credits a unit of work.
        """
        kappa, slope = self.base_cost
        effort = np.clip((value[..., np.newaxis] / self.virtual_cost - kappa) / slope, 0.0, 1.0)
        steps = np.diff(cost(effort, kappa, slope), axis=-1, prepend=0.0)
        return effort, np.cumsum(steps / self.theta, axis=-1)

    def clear(self, market: Market) -> Outcome:
        """Offer each edge device the contract of its type.

        The status is "closed_form"; by CVXPY, world by world, "optimal".

        Raises:
            MechanismError: by CVXPY, the solver gave no optimum.
        """
        start = perf_counter()
        if self.solver == CVXPY:
            (effort, reward), status = self.program.menu(mean_value(market)), "optimal"
        else:
            (effort, reward), status = self.menu(mean_value(market)), "closed_form"
        price = np.divide(reward, effort, out=np.zeros_like(reward), where=effort > 0)
        # `chosen` types are at least as dear as the edge device, and the last of them is its own;
        # 0 stands for none.
        reported = market.unit_cost + market.cost_slope / 2
        chosen = self.types - np.searchsorted(self.type_cost[::-1], reported)
        nothing = np.zeros((*market.batch_shape, 1))
        effort = np.take_along_axis(np.concatenate([nothing, effort], axis=-1), chosen, axis=-1)
        price = np.take_along_axis(np.concatenate([nothing, price], axis=-1), chosen, axis=-1)
        unit_price = price * market.work_per_point
        return outcome_at_prices(
            market, unit_price, effort, status=status, solve_seconds=perf_counter() - start
        )


def _cost_range(name: str, given: object) -> tuple[float, float]:
    bounds = list(given) if isinstance(given, tuple | list) else []
    if len(bounds) != 2 or not all(
        isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds
    ):
        raise ValueError(
            f"contract: {name} should be two numbers, lowest and highest, got {given!r}"
        )
    low, high = map(float, bounds)
    if not 0 <= low <= high <= LARGEST:
        raise ValueError(
            f"contract: {name} should be finite with 0 <= lowest <= highest <= {LARGEST:g}, got "
            f"{given!r}"
        )
    return low, high


def mean_value(market: Market) -> FloatArray:
    """Return the value (...) of a unit of work, credits; 0 where there is no demand.

    Work of an expert without demand brings nothing and is left out.
    """
    work = np.where(market.demand > 0, market.work, 0.0).sum(axis=-1)
    worth = np.einsum("...e,...e->...", market.demand, market.value)
    return np.divide(worth, work, out=np.zeros_like(work), where=work > 0)


def quantile_of_sum(
    probability: FloatArray, first: tuple[float, float], second: tuple[float, float]
) -> FloatArray:
    """Return quantiles of the sum of two independent variables, each uniform in its range.

    Its density rises over the width of the narrower one, is flat, and falls: a trapezium, with a
    closed form.
    """
    narrow, wide = sorted((first[1] - first[0], second[1] - second[0]))
    tail = np.minimum(probability, 1 - probability)
    on_the_slope = 2 * tail * wide < narrow
    distance = np.where(on_the_slope, np.sqrt(2 * tail * narrow * wide), tail * wide + narrow / 2)
    low, high = first[0] + second[0], first[1] + second[1]
    return np.where(probability <= 0.5, low + distance, high - distance)
