"""Mechanisms that are written as a convex program in CVXPY, and decide prices by it.

A program that posts the budgeted price of greatest welfare, complete:

    @mechanisms.register("my_price")
    class MyPrice(ConvexMechanism):
        name = "my_price"

        def program(self, given):
            import cvxpy as cp

            effort = cp.Variable(given.num_experts)
            gain = given.derived("gain", lambda m: m.demand * (m.value - m.point_cost))
            base = given.derived("base", lambda m: m.demand * m.point_cost, nonneg=True)
            rise = given.derived("rise", lambda m: m.demand * m.point_slope, nonneg=True)
            more = rise @ cp.square(effort)
            return ConvexProgram(
                cp.Maximize(gain @ effort - more / 2),
                [base @ effort + more <= given.budget, effort >= 0, effort <= 1],
                unit_price=given.point_cost + cp.multiply(given.point_slope, effort),
            )
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mechanisms.arrays import FloatArray
from mechanisms.base import check_no_voluntary
from mechanisms.claims import Claims
from mechanisms.errors import MarketError, MechanismError
from mechanisms.fields import first
from mechanisms.market import NONNEGATIVE, Market
from mechanisms.outcome import Outcome
from mechanisms.program import Compiled, Program, value_of
from mechanisms.registry import nearest
from mechanisms.supply import outcome_at_prices

if TYPE_CHECKING:
    import cvxpy as cp

_ROUNDING = 1e-6  # a price or an effort beyond its limit by this share of the greatest is rounding

_COSTS_OF_A_POINT = ("point_cost", "point_slope", "fixed_point_cost", "full_cost")

OfMarket = Callable[[Market], ArrayLike]


class Given:
    """The market inside a program: its fields, and functions of them, as parameters of CVXPY.

    `given.demand` is the parameter (E,) that holds `Market.demand`; so with `unit_cost`,
    `cost_slope`, `value`, `work`, `fixed_cost`, `capacity`, `bandwidth_limit` and `expert_topic`,
    and with the costs of a point of demand that a market derives, `point_cost`, `point_slope`,
    `fixed_point_cost` and `full_cost`; `given.budget` is a scalar. All but `value` are known to be
    nonnegative.

    Args:
        mechanism: its name, for messages.
        num_experts: the size of the program.

    Attributes:
        num_experts: number of experts, E.
    """

    def __init__(self, mechanism: str, num_experts: int) -> None:
        self.num_experts = num_experts
        ones = np.ones(num_experts)
        self._mechanism, self._sample = mechanism, Market(ones, ones, ones, ones, np.array(1.0))
        self._parameters: dict[str, tuple[cp.Parameter, OfMarket]] = {}

    def __getattr__(self, field: str) -> Any:
        """Return the parameter that holds a field of the market.

        Raises:
            AttributeError: a market has no such field; the message gives the nearest.
        """
        fields = self._fields() if "_sample" in vars(self) else ()
        if field not in fields:
            raise AttributeError(f"a market has no {field!r}; {nearest(field, fields)}")
        if field not in self._parameters:
            nonneg = field in NONNEGATIVE or field in _COSTS_OF_A_POINT
            self._add(field, lambda market: getattr(market, field), nonneg=nonneg)
        return self._parameters[field][0]

    def derived(self, name: str, function: OfMarket, *, nonneg: bool = False) -> cp.Parameter:
        """Return a parameter that holds a function of the market.

        So a product of fields is one parameter: DPP, the form that CVXPY compiles once, forbids a
        product of two.

        Args:
            name: for messages; a name each.
            function: of one market, without leading axes; always of the same shape, also of one
                in which all costs, demand, values and the budget are 1.
            nonneg: its entries are never negative, which convexity may rest on.

        Raises:
            ValueError: the name is taken, or that of a field.
        """
        if name in self._parameters or name in self._fields():
            raise ValueError(f"{self._mechanism}: the parameter {name!r} exists already")
        return self._add(name, function, nonneg=nonneg)

    def _fields(self) -> tuple[str, ...]:
        return *self._sample.arrays(), *_COSTS_OF_A_POINT

    def _add(self, name: str, function: OfMarket, *, nonneg: bool) -> cp.Parameter:
        import cvxpy as cp

        shape = np.shape(function(self._sample))
        parameter = cp.Parameter(shape, nonneg=nonneg, name=name)
        self._parameters[name] = parameter, function
        return parameter

    def check_fills(self, problem: cp.Problem) -> None:
        """Raise ValueError where a problem has a parameter without a value that is not of these."""
        for parameter in problem.parameters():
            known = any(parameter is own for own, _ in self._parameters.values())
            if not known and parameter.value is None:
                raise ValueError(
                    f"{self._mechanism}: the parameter {parameter.name()!r} has no value; "
                    "given.derived makes one that each market fills"
                )

    def fill(self, market: Market) -> None:
        """Give every parameter its value in one market.

        Raises:
            MarketError: a value is not finite.
            ValueError: a value is of another shape than before, or negative and declared not to be.
        """
        for name, (parameter, function) in self._parameters.items():
            value = np.asarray(function(market), dtype=np.float64)
            if not np.isfinite(value).all():
                raise MarketError(
                    f"{self._mechanism} needs {name}, finite everywhere, which this market does "
                    "not give"
                )
            try:
                parameter.value = value
            except ValueError as error:
                raise ValueError(f"{self._mechanism}: the parameter {name!r}: {error}") from error


@dataclass(frozen=True, eq=False)
class ConvexProgram:
    """A program for one size of market, and where its prices are read.

    Attributes:
        objective: `cvxpy.Maximize` or `cvxpy.Minimize`.
        constraints: of CVXPY.
        unit_price: credits/point, one for each expert (E,) or one for all (): a variable or an
            expression; a constraint, whose dual it is, in the sign CVXPY gives the dual of an
            inequality, >= 0; or a function of the market, called after the solution, which may read
            `.value` and `.dual_value`.
        effort: (E,) or (), 0..1, in the same forms: what edge devices must give where effort is
            enforced (`Market.effort`). None for their best response.
    """

    objective: cp.Objective
    constraints: Sequence[cp.Constraint]
    unit_price: cp.Expression | cp.Constraint | OfMarket
    effort: cp.Expression | cp.Constraint | OfMarket | None = None


class ConvexMechanism(ABC):
    """A mechanism that decides prices by a program in CVXPY, for each world alone.

    A subclass gives `name` and `program`, and states what it `claims`. It may be a frozen dataclass
    with parameters of its own. The program is compiled once for each number of experts and kept, in
    each process; pickles and copies leave it behind. CVXPY is imported with the first program.

    It only prices: nobody is told whom to use, and users' reports are not read. A mechanism that
    allocates is a class that follows `Mechanism`.
    A world without experts or without demand is not solved: prices are 0.
    Edge devices answer the price, or where effort is enforced give what the program orders; one
    that would lose declines, see `outcome_at_prices`.
    A price or an effort that is beyond its limits by no more than the solver rounds is cut to them.
    The same market gives the same prices: no solution starts from the last one.

    Attributes:
        claims: guarantees that an audit can test; by default none.
        cvxpy_solver: CVXPY's name of the solver.
        solver_options: passed on to `cvxpy.Problem.solve`, beside `mechanisms.program.DEFAULTS`.
    """

    name: ClassVar[str]
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims()
    cvxpy_solver: ClassVar[str] = "CLARABEL"
    solver_options: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a class that sets `voluntary`."""
        super().__init_subclass__(**options)
        check_no_voluntary(cls, getattr(cls, "name", cls.__name__))

    @abstractmethod
    def program(self, given: Given) -> ConvexProgram:
        """Return the program of markets of the size `given.num_experts`."""

    def clear(self, market: Market) -> Outcome:
        """Decide prices, world by world; status "optimal".

        Raises:
            MarketError: a field that the program needs is not finite.
            MechanismError: the program is infeasible or unbounded, the solver failed or stopped
                short of an optimum, or an answer is beyond its limits.
            ValueError: the program is not DPP, or does not say what the class says.
        """
        start = perf_counter()
        unit_price = np.zeros(market.demand.shape)
        ordered = np.zeros(market.demand.shape)
        orders = False
        for index in np.ndindex(market.batch_shape):
            world = market.world(index)
            if not world.demand.any():
                continue
            where = f", world {index}" if index else ""
            compiled = self.compiled(market.num_experts)
            compiled.given.fill(world)
            compiled.program.solve(where)
            decided = compiled.decided
            unit_price[index] = self._read("unit_price", decided.unit_price, world, where)
            if decided.effort is not None:
                orders = True
                ordered[index] = self._read("effort", decided.effort, world, where, highest=1.0)
        return outcome_at_prices(
            market,
            unit_price,
            ordered if orders else None,
            status="optimal",
            solve_seconds=perf_counter() - start,
        )

    def compiled(self, num_experts: int) -> CompiledMarket:
        """Return the program of a size, compiled and kept.

        Raises:
            ValueError: the program is not DPP, or does not say what the class says.
        """
        return self._programs(num_experts)

    @cached_property
    def _programs(self) -> Compiled[CompiledMarket]:
        return Compiled(self._compile)

    def _compile(self, num_experts: int) -> CompiledMarket:
        given = Given(self.name, num_experts)
        decided = self.program(given)
        if not isinstance(decided, ConvexProgram):
            raise ValueError(f"{self.name}: program should return a ConvexProgram, got {decided!r}")
        program = Program(
            self.name,
            decided.objective,
            decided.constraints,
            {},
            solver=self.cvxpy_solver,
            options=self.solver_options,
        )
        given.check_fills(program.problem)
        return CompiledMarket(given, decided, program)

    def _read(
        self, what: str, answer: Any, market: Market, where: str, highest: float = np.inf
    ) -> FloatArray:
        """Return prices or efforts of one market at the last solution, cut to 0..`highest`."""
        import cvxpy as cp

        is_part = isinstance(answer, cp.Expression | cp.Constraint)
        value = value_of(answer) if is_part else np.asarray(answer(market), dtype=np.float64)
        if value.shape not in ((), (1,), (market.num_experts,)):
            raise ValueError(
                f"{self.name}: {what} has shape {value.shape}: must be ({market.num_experts},), "
                "one for each expert, or (), one for all"
            )
        slack = _ROUNDING * max(1.0, float(np.abs(value).max()))
        wrong = ~((value >= -slack) & (value <= highest + slack) & np.isfinite(value))
        if wrong.any():
            limit = "finite and >= 0" if highest == np.inf else f"in 0..{highest:g}"
            raise MechanismError(
                f"{self.name}{where}: {first(what, value, wrong)}: must be {limit}"
            )
        return np.clip(value, 0.0, highest)


class CompiledMarket(NamedTuple):
    """A program of one size, with the parameters that a market fills."""

    given: Given
    decided: ConvexProgram
    program: Program  # CVXPY's is `program.problem`
