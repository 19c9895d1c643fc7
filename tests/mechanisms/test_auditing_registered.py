"""Audits of every registered mechanism on markets that meet the condition of its claims."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import mechanisms
from mechanisms import Effort, Market, Side, UserReports
from mechanisms.effort import EFFORTS


def sellers(
    rng: np.random.Generator, *, num_markets: int = 40, num_experts: int = 6
) -> dict[str, Any]:
    """Costs as the world draws them, and a budget that buys about half of the points."""
    shape = (num_markets, num_experts)
    return {
        "unit_cost": rng.uniform(0.5, 3.0, shape),
        "cost_slope": rng.uniform(0.5, 1.5, shape),
        "demand": rng.uniform(0.2, 1.0, shape),
        "value": rng.uniform(2.0, 5.0, shape),
        "budget": rng.uniform(0.2, 1.0, num_markets) * num_experts,
    }


def sellers_of_menu_types(rng: np.random.Generator) -> dict[str, Any]:
    """Return costs that are multiples of the base cost, a few dearer than any type.

    The base cost is the middles of the default prior.
    """
    multiple = rng.uniform(0.4, 2.0, (40, 6))
    return sellers(rng) | {"unit_cost": 1.75 * multiple, "cost_slope": multiple}


def scarce_places(
    rng: np.random.Generator, shape: tuple[int, int, int] = (12, 9, 5)
) -> dict[str, Any]:
    """Return users, one of them idle, and fewer experts of one place each.

    The band holds some pairs and not others.

    `shape` is that of the users' values: markets, users, experts.
    """
    num_markets, num_users, num_experts = shape
    topic = np.zeros((num_markets, num_users), dtype=int)
    topic[:, 0] = -1
    return sellers(rng, num_markets=num_markets, num_experts=num_experts) | {
        "capacity": np.ones((num_markets, num_experts), dtype=int),
        "bandwidth_limit": rng.uniform(200.0, 1000.0, (num_markets, num_experts)),
        "expert_topic": np.zeros((num_markets, num_experts), dtype=int),
        "users": {
            "value": rng.uniform(-1.0, 10.0, shape),
            "points": rng.uniform(0.3, 0.9, shape),
            "bandwidth_need": rng.uniform(100.0, 700.0, shape),
            "topic": topic,
        },
    }


def shared_bands(
    rng: np.random.Generator, shape: tuple[int, int, int] = (12, 9, 5)
) -> dict[str, Any]:
    """Return markets that are scarce by the band alone, and money for some.

    Each expert has places for all, and band for one user, two or three.
    """
    num_markets, num_users, num_experts = shape
    return scarce_places(rng, shape) | {
        "capacity": np.full((num_markets, num_experts), num_users),
        "budget": rng.uniform(1.0, 5.0, num_markets) * num_users,
    }


def topics_of_equal_experts(rng: np.random.Generator) -> dict[str, Any]:
    """Return two topics of three experts each and four or five users.

    Experts of a topic are worth the same to a user, and bring it as many points.
    """
    num_markets, expert_topic, topic = 40, np.arange(6) % 2, np.arange(9) % 2
    same_topic = topic[:, np.newaxis] == expert_topic
    value, points = (
        rng.uniform(0.0, 5.0, (num_markets, 9, 1)),
        rng.uniform(0.3, 0.9, (num_markets, 9, 1)),
    )
    return sellers(rng, num_markets=num_markets) | {
        "capacity": np.ones((num_markets, 6), dtype=int),
        "expert_topic": np.broadcast_to(expert_topic, (num_markets, 6)),
        "users": {
            "value": np.where(same_topic, value, -1.0),
            "points": np.where(same_topic, points, 0.0),
            "topic": np.broadcast_to(topic, (num_markets, 9)),
        },
    }


class Trial(NamedTuple):
    """A mechanism, markets that meet its condition, and how long to search them."""

    name: str
    fields: Callable[[np.random.Generator], dict[str, Any]]
    misreports: int = 200
    agents: int | None = None
    regretted_by: frozenset[Side] = frozenset()  # sides on which lies must be seen to pay
    params: Mapping[str, Any] = MappingProxyType({})
    searched: frozenset[str] | None = None  # None for all fields
    claimed_only: bool = False  # of the fields, those alone that are claimed to be best told truly


EDGE_DEVICES, USERS = frozenset[Side]({"edge_devices"}), frozenset[Side]({"users"})

TRIALS = [
    Trial("none", sellers),
    Trial("posted_price", lambda rng: sellers(rng, num_experts=3), regretted_by=EDGE_DEVICES),
    Trial("budgeted_price", sellers, regretted_by=EDGE_DEVICES),
    Trial("budgeted_price", sellers, regretted_by=EDGE_DEVICES, params={"budget": 1.5}),
    Trial("contract", sellers_of_menu_types),
    Trial("cost_plus", sellers, misreports=60, regretted_by=EDGE_DEVICES),
    Trial("proportional_share", sellers),
    Trial("proportional_share", sellers, params={"budget": 1.5}),
    Trial("vcg", scarce_places, regretted_by=EDGE_DEVICES),
    Trial(
        "vcg",
        lambda rng: shared_bands(rng, (4, 5, 3)),
        misreports=20,
        agents=1,
        params={"bandwidth": True},
        claimed_only=True,
    ),
    Trial("double_auction", topics_of_equal_experts),
    *(
        Trial(name, markets, 40, agents, regretted_by=USERS, searched=frozenset({"users.value"}))
        for name, markets, agents in (
            ("shadow_price", scarce_places, 2),
            ("shadow_price", shared_bands, 1),
            ("fisher", shared_bands, 1),
        )
    ),
]


@pytest.mark.parametrize(
    ("trial", "effort"),
    [
        pytest.param(trial, effort, id=f"{trial.name}-{effort}")
        for trial in TRIALS
        for effort in EFFORTS
        if effort in mechanisms.make(trial.name).claims.regimes
    ],
)
def test_a_mechanism_keeps_what_it_claims_and_shows_the_regret_it_does_not_deny(
    trial: Trial, effort: Effort
) -> None:
    mechanism = mechanisms.make(trial.name, **trial.params)
    fields = trial.fields(np.random.default_rng(0))
    users = UserReports(**fields.pop("users")) if "users" in fields else None
    claims = mechanism.claims
    searched = claims.under(effort).incentive_compatible if trial.claimed_only else trial.searched
    market = Market(**fields, users=users, effort=effort)
    rng = np.random.default_rng(1)
    report = mechanisms.audit(
        mechanism,
        market,
        rng=rng,
        misreports=trial.misreports,
        agents=trial.agents,
        fields=searched,
    )
    assert report.effort == effort
    assert mechanisms.violations(report, claims) == []
    assert report.failed_clearings == 0
    assert report.participation["edge_devices"] > 0.1
    assert (report.payments > 0) == (trial.name != "none")
    for side in trial.regretted_by:
        assert report.regret_max[side] > 0.1
        assert report.regret_mean[side] > 0.01


def test_every_mechanism_is_tried() -> None:
    assert set(mechanisms.names()) <= {trial.name for trial in TRIALS}
