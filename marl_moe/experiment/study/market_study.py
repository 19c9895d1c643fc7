"""Market studies: markets sampled from the world, and a mechanism audited in them."""

from dataclasses import fields
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import mechanisms
from envs import World, WorldConfig
from envs.reports import user_reports
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.study.evaluation import make_heuristic, worlds_at_once
from marl_moe.policies.base import Policy, acted
from marl_moe.seeds import audit_generator, evaluation_seed
from mechanisms import AuditReport, Claims, Market, Mechanism, Side, violations
from mechanisms.market import concatenated

SETTLING_SLOTS = 10  # until demand forgets that it started uniform: 0.7^10 = 3 %


def sampled_slots(config: WorldConfig, count: int) -> NDArray[np.int64]:
    """Return the slots of an episode in which `count` markets are sampled.

    Raises:
        ValueError: the episode is too short to settle in, or for so many markets.
    """
    if config.episode_slots <= SETTLING_SLOTS:
        raise ValueError(
            f"env.episode_slots should be above {SETTLING_SLOTS} in a market study, got "
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


def study(spec: ExperimentSpec, seed: int) -> pd.DataFrame:
    """Audit the mechanism of an experiment.

    Under one seed every mechanism meets the same markets, and misreports drawn from the same
    generator.

    Returns:
        The row of `audit.parquet` (see `records`), without seed and point.
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
    )
    return pd.DataFrame([_row(mechanism, report)])


def _row(mechanism: Mechanism, report: AuditReport) -> dict[str, object]:
    """Return a report as a row: a column a side where it is told by side, beside the claims.

    Where effort was bought or enforced as the claims do not cover, nothing is claimed.
    """
    claims = mechanism.claims
    if report.effort not in claims.regimes:
        claims = Claims(strategic=claims.strategic)
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
        value = getattr(report, field.name)
        if field.name == "worst_misreport":
            continue  # evidence to clear again in Python, not a measurement
        if isinstance(value, dict):
            row |= {f"{field.name}_{side}": value.get(side, np.nan) for side in get_args(Side)}
        else:
            row[field.name] = value
    return row
