"""Market studies: markets sampled from the world, and a mechanism audited in them."""

import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import NamedTuple, cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import mechanisms
from envs import World, WorldConfig
from envs.reports import user_reports
from marl_moe.experiment.records.study_columns import PLAY
from marl_moe.experiment.spec.evaluation import PlaySpec
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.study.evaluation import make_heuristic, worlds_at_once
from marl_moe.policies.base import Policy, acted
from marl_moe.seeds import audit_generator, evaluation_seed, play_generator
from mechanisms import (
    AuditReport,
    Claims,
    Market,
    Mechanism,
    ReportEquilibrium,
    Side,
    violations,
)
from mechanisms.concatenation import concatenated

SETTLING_SLOTS = 10  # until demand forgets that it started uniform: 0.7^10 = 3 %


def sampled_slots(config: WorldConfig, count: int) -> NDArray[np.int64]:
    """Return the slots of an episode in which `count` markets are sampled.

    Raises:
        ValueError: the episode is too short to settle in, or for so many markets.
    """
    if config.episode_slots <= SETTLING_SLOTS:
        raise ValueError(
            f"env.episode_slots should be above {SETTLING_SLOTS} where markets are sampled, got "
            f"{config.episode_slots}"
        )
    num_worlds = min(count, worlds_at_once(config))
    num_slots = -(-count // num_worlds)
    slots = np.linspace(SETTLING_SLOTS, config.episode_slots - 1, num_slots).astype(int)
    if len(set(slots.tolist())) < num_slots:
        most = num_worlds * (config.episode_slots - SETTLING_SLOTS)
        raise ValueError(
            f"audit.markets should be at most {most} with episodes of {config.episode_slots} slots"
        )
    return slots


def sample_markets(config: WorldConfig, policy: Policy, count: int, seed: int) -> Market:
    """Sample `count` markets as the platform of a world meets them, with all reports, as one batch.

    They are taken from slots spread over the second part of an episode (after `SETTLING_SLOTS`) in
    which `policy` acts and edge devices are free, so that one sample serves every mechanism.

    Raises:
        ValueError: the episode is too short to settle in, or for so many markets.
    """
    slots = sampled_slots(config, count)
    num_worlds = min(count, worlds_at_once(config))
    world = World(config, num_worlds, seed, mechanisms.make("none"))
    samples = []
    while not world.done:
        if world.slot.index in slots:
            samples.append(world.market.market(user_reports(world.slot.conditions)))
        world.step(acted(policy, world.slot))
    return concatenated(samples).world(slice(count))


class Study(NamedTuple):
    """Rows of the tables of these names (see `records`), without seed and point.

    Attributes:
        audit: a row.
        regret: a row for each field that agents report.
    """

    audit: pd.DataFrame
    regret: pd.DataFrame


def study(spec: ExperimentSpec, seed: int) -> Study:
    """Audit the mechanism of an experiment, and let edge devices learn what to report to it.

    Under one seed every mechanism meets the same markets, and misreports drawn from the same
    generator.
    """
    audit = spec.audit
    policy = make_heuristic(audit.policy, seed)
    market = sample_markets(spec.env, policy, audit.markets, evaluation_seed(seed, batch=0))
    mechanism = mechanisms.make(**spec.mechanism.parameters())
    report = mechanisms.audit(
        mechanism,
        market,
        rng=audit_generator(seed),
        misreports=audit.misreports,
        agents=audit.agents,
        grid_markets=audit.grid_markets,
    )
    claims = mechanism.claims.under(report.effort)
    row = _row(claims, report) | {"misreports": audit.misreports} | dict.fromkeys(PLAY, np.nan)
    row |= {"report_mix": ""}
    if audit.play is not None:
        row |= _of_play(play(mechanism, market, audit.play, seed))
    return Study(pd.DataFrame([row]), pd.DataFrame(_field_rows(claims, report)))


def play(mechanism: Mechanism, market: Market, spec: PlaySpec, seed: int) -> ReportEquilibrium:
    """Return what edge devices end up reporting in markets drawn from those of a batch."""

    def sampler(count: int, rng: np.random.Generator) -> Market:
        return market.world(rng.integers(market.budget.size, size=count))

    return mechanisms.report_equilibrium(
        mechanism,
        sampler,
        spec.factors,
        rng=play_generator(seed),
        rounds=spec.rounds,
        markets=spec.markets,
        deviators=spec.deviators,
        measured=spec.measured,
    )


def mix_of(found: ReportEquilibrium) -> list[tuple[float, float]]:
    """Return the factors that are played and their shares, mean over edge devices."""
    shares = found.mix.mean(axis=0)
    pairs = zip(found.grid.tolist(), (shares / shares.sum()).tolist(), strict=True)
    return [(factor, share) for factor, share in pairs if share > 0]


def _row(claims: Claims, report: AuditReport) -> dict[str, object]:
    """Return a report as a row: a column a side where it is told by side, beside the claims."""
    row: dict[str, object] = {
        "claims_incentive_compatible": " ".join(sorted(claims.incentive_compatible)),
        "claims_individually_rational": " ".join(sorted(claims.individually_rational)),
        "claims_budget_balanced": claims.budget_balanced,
        "claims_within_budget": claims.within_budget,
        "claims_efficient": claims.efficient,
        "strategic": " ".join(sorted(claims.strategic)),
        "condition": claims.condition,
        "violations": "; ".join(violations(report, claims)),
    }
    for field in fields(AuditReport):
        name, value = field.name, getattr(report, field.name)
        if name in ("fields", "unsearched"):
            continue  # the first are rows of a table of their own, and all are searched
        if isinstance(value, dict):
            name = "tried" if name == "misreports" else name
            row |= {f"{name}_{side}": value.get(side, np.nan) for side in get_args(Side)}
        else:
            row[name] = value
    return row


def _field_rows(claims: Claims, report: AuditReport) -> Iterator[dict[str, object]]:
    """Yield a row for each field of a report, in the order of its fields."""
    for name, regret in report.fields.items():
        side, _, field = name.partition(".")
        yield {
            "mechanism": report.mechanism,
            "effort": report.effort,
            "side": side,
            "field": field,
            "claimed": claims.truth_is_best(name),
            "agents": report.agents[cast("Side", side)],
            "misreports": regret.misreports,
            "regret_mean": regret.mean,
            "regret_max": regret.max,
            "grid_share": regret.grid_share,
            "worst_market": regret.worst.market,
            "worst_agent": regret.worst.agent,
            "worst_report": json.dumps(regret.worst.report),
        }


def _of_play(found: ReportEquilibrium) -> dict[str, object]:
    """Return what edge devices end up reporting as columns of a row."""
    row: dict[str, object] = {
        "report_factor": found.mean_factor,
        "report_mix": json.dumps(mix_of(found)),
        "report_least": found.edge_mass_low,
        "report_most": found.edge_mass_high,
        "exploitability": found.exploitability,
        "exploitability_share": found.exploitability_share,
        "truth_regret": found.truth_regret,
    }
    for how, result in (("promised", found.promised), ("played", found.played)):
        row |= {f"{how}_{name}": value for name, value in asdict(result).items()}
    return row
