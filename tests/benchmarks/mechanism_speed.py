"""Cost of a clearing: a mechanism's own path, its program in CVXPY, and the solver alone.

"first" builds and compiles the program and clears a market by it (`solver: cvxpy`); "again" clears
markets with other parameters; "solver" hands the canonical form of the last program, as CVXPY made
it, to the solver alone; "own path" is `solver: direct`, and "direct / cvxpy" its time over that of
"again". VCG's own path is set against SciPy's `linear_sum_assignment` too, called once for all
users and once without each.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from contention import contention_spec
from interleaved import Work, rates, ratios, summary
from report import Measurement, Told, say_nothing, single
from scipy.optimize import linear_sum_assignment

import mechanisms
from marl_moe.experiment.study.evaluation import make_heuristic
from marl_moe.experiment.study.market_study import sample_markets
from marl_moe.experiment.training.cluster import start_ray
from marl_moe.experiment.training.configuration import algorithm_config
from mechanisms import Market, MechanismError
from mechanisms.pairs import net_value

SIZES = ((8, 30), (64, 300))
MARKETS = 8  # cleared in turn, so that every solve has new parameters
# What the size of a mechanism's program is made of, given the numbers of users and experts.
PROGRAMS: dict[str, Callable[[int, int], tuple[Any, ...]]] = {
    "budgeted_price": lambda users, experts: (experts,),
    "contract": lambda users, experts: (),
    "proportional_share": lambda users, experts: (experts,),
    "fisher": lambda users, experts: (users, experts),
    "shadow_price": lambda users, experts: (users, experts, True),
    "posted_price": lambda users, experts: (experts,),
    "vcg": lambda users, experts: (users, experts, False),
}
MANY_PROGRAMS = {"posted_price": 30, "vcg": 30}  # a clearing solves many: up to so many experts
TRAINED = {
    "none": {"name": "none"},
    "budgeted_price": {"name": "budgeted_price"},
    "vcg": {"name": "vcg"},
}


def measure(
    sizes: tuple[tuple[int, int], ...] = SIZES,
    repeats: int = 5,
    seconds: float = 0.5,
    told: Told = say_nothing,
) -> list[Measurement]:
    """Measure milliseconds of a clearing of one market at each size, and ratios of them."""
    rows: list[Measurement] = []
    for num_users, num_experts in sizes:
        size = f"{num_users} x {num_experts}"
        markets = [
            market.world(i) for market in [_markets(num_users, num_experts)] for i in range(MARKETS)
        ]
        for name, size_of in PROGRAMS.items():
            if num_experts > MANY_PROGRAMS.get(name, num_experts):
                continue
            told(f"{name}, {size}: first solve")
            began = time.perf_counter()
            program = mechanisms.make(name, solver="cvxpy")
            solved = [_solves(program, markets[0])]
            rows.append(
                single(
                    "mechanisms",
                    f"{name}, {size}",
                    "first",
                    "ms",
                    1e3 * (time.perf_counter() - began),
                )
            )
            solved += [_solves(program, market) for market in markets[1:]]
            if not all(solved):
                rows.append(
                    single("mechanisms", f"{name}, {size}", f"solved of {MARKETS}", "", sum(solved))
                )
            asked = [market for market, well in zip(markets, solved, strict=True) if well]
            if not asked:
                continue
            works = {
                "again": _in_turn(program.clear, asked),
                "solver": _solver_alone(program, size_of(num_users, num_experts)),
                "own path": _in_turn(mechanisms.make(name).clear, asked),
            }
            rows += _compared(f"{name}, {size}", works, "solver", repeats, seconds, told)
        works = {
            "U + 1 assignments": _in_turn(_clarke_by_definition, markets),
            "own path": _in_turn(mechanisms.make("vcg").clear, markets),
        }
        name = f"vcg and SciPy, {size}"
        rows += _compared(name, works, "U + 1 assignments", repeats, seconds, told)
    return rows


def measure_training(repeats: int = 5, told: Told = say_nothing) -> list[Measurement]:
    """Measure epochs of SAC a second at 16 users under mechanisms that clear every slot."""
    start_ray()
    algorithms = {}
    for name, mechanism in TRAINED.items():
        told(f"filling a replay under {name}")
        spec = contention_spec(num_users=16, market={"interval": 1})
        spec = spec.model_copy(update={"mechanism": spec.mechanism.model_validate(mechanism)})
        algorithms[name] = algorithm_config(spec, seed=0).build_algo()
        algorithms[name].train()
    try:
        works: dict[str, Work] = {name: _epoch(algorithm) for name, algorithm in algorithms.items()}
        measured = rates(works, repeats, 0.0, told)
    finally:
        for algorithm in algorithms.values():
            algorithm.stop()
    rows = [
        summary("training", name, "rate", "epochs/s", values) for name, values in measured.items()
    ]
    rows += [
        summary("training", f"{name} / none", "ratio", "", ratios(measured[name], measured["none"]))
        for name in list(TRAINED)[1:]
    ]
    return rows


def _markets(num_users: int, num_experts: int) -> Market:
    """Markets of the contention world, with a budget for some of it."""
    spec = contention_spec(num_users=num_users, num_experts=num_experts, episode_slots=12)
    env = replace(spec.env, market=replace(spec.env.market, budget_per_user=1.0))
    return sample_markets(env, make_heuristic("greedy", 0), MARKETS, seed=0)


def _compared(
    variant: str, works: dict[str, Work], reference: str, repeats: int, seconds: float, told: Told
) -> Iterator[Measurement]:
    measured = rates(
        {f"{variant}: {name}": work for name, work in works.items()}, repeats, seconds, told
    )
    values = dict(zip(works, measured.values(), strict=True))
    for name, per_second in values.items():
        yield summary("mechanisms", variant, name, "ms", [1e3 / rate for rate in per_second])
    if "again" in values:
        both = ratios(values["again"], values["own path"])
        yield summary("mechanisms", variant, "direct / cvxpy", "", both)
    for name, per_second in values.items():
        if name != reference:
            yield summary(
                "mechanisms",
                variant,
                f"{name} / {reference}",
                "",
                ratios(values[reference], per_second),
            )


def _in_turn(clear: Callable[[Market], object], markets: list[Market]) -> Work:
    turn = 0

    def work() -> int:
        nonlocal turn
        clear(markets[turn % len(markets)])
        turn += 1
        return 1

    return work


def _solves(program: Any, market: Market) -> bool:
    try:
        program.clear(market)
    except MechanismError:
        return False
    return True


def _solver_alone(mechanism: Any, size: tuple[Any, ...]) -> Work:
    compiled = mechanism.program.compiled(*size)
    program = getattr(compiled, "program", compiled)
    problem = program.problem
    options = {key: value for key, value in program.options.items() if key != "warm_start"}
    data, chain, _ = problem.get_problem_data(program.solver, solver_opts=options)

    def work() -> int:
        chain.solve_via_data(problem, data, warm_start=False, solver_opts=options)
        return 1

    return work


def _clarke_by_definition(market: Market) -> None:
    net = np.maximum(net_value(market), 0.0)
    linear_sum_assignment(net, maximize=True)
    for user in range(len(net)):
        linear_sum_assignment(np.delete(net, user, axis=0), maximize=True)


def _epoch(algorithm: Any) -> Work:
    def work() -> int:
        algorithm.train()
        return 1

    return work
