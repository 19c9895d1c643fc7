"""Record tables of a run in which edge devices and the platform learn, small."""

import json
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

Settings = dict[str, Any]
Tables = dict[str, pd.DataFrame]
BOTH = {"edge_devices": "sac", "platform": "sac"}
ROLES = "algorithm.roles"
AIM = "env.roles.platform_reward"
# What a point sets beside its mechanism, by the name that figures give it.
ARRANGEMENTS: dict[str, Settings] = {
    "Truthful, fixed": {ROLES: {}},
    "Devices learn": {ROLES: {"edge_devices": "sac"}},
    "Devices and platform learn: welfare": {ROLES: BOTH, AIM: "welfare"},
    "Devices and platform learn: users": {ROLES: BOTH, AIM: "users"},
    "Devices and platform learn: profit": {ROLES: BOTH, AIM: "profit"},
}
MECHANISMS: dict[str, Settings] = {
    "Posted price": {"mechanism": {"name": "posted_price"}},
    "Contract": {"mechanism": {"name": "contract"}, "env.market.effort": "enforced"},
    "VCG": {"mechanism": {"name": "vcg"}},
    "Budgeted price": {"mechanism": {"name": "budgeted_price"}},
    "Cost plus": {"mechanism": {"name": "cost_plus"}},
}


def points(mechanisms: int = 2, arrangements: int = 5) -> list[Settings]:
    """Return the first mechanisms by the first arrangements, as a study has them."""
    of_each = list(ARRANGEMENTS.values())[:arrangements]
    return [
        mechanism | arrangement
        for mechanism in list(MECHANISMS.values())[:mechanisms]
        for arrangement in of_each
    ]


def two_sided_tables(
    seeds: int = 3,
    episodes: int = 4,
    epochs: int = 12,
    swept: Sequence[Settings] | None = None,
    mechanism: str = "posted_price",
) -> Tables:
    """Return the tables of a run of 4 users; each number of a point is its own.

    Args:
        seeds: of the run.
        episodes: of the evaluation.
        epochs: of the training.
        swept: settings of the points, those of `points` if None.
        mechanism: of points that set none.
    """
    rng = np.random.default_rng(0)
    training, evaluation, exploitability = [], [], []
    for (place, settings), seed in product(
        enumerate(points() if swept is None else swept), range(seeds)
    ):
        name = settings.get("mechanism", {"name": mechanism})["name"]
        roles = settings.get(ROLES, BOTH)
        devices, platform = "edge_devices" in roles, "platform" in roles
        key = {"seed": seed, "point": f"point {place}", "settings": json.dumps(settings)}
        epoch = np.arange(1, epochs + 1)
        grown = (1 - np.exp(-4 * epoch / epochs)) * (1 + 0.1 * place) + rng.normal(0, 0.05, epochs)
        rows = pd.DataFrame({"epoch": epoch, "unit_price": 1.5 + 0.5 * devices * grown})
        for column, chosen in {
            "report_factor": 1 + devices * grown,
            "value_factor": 1 + platform * 0.3 * grown,
            "margin": platform * 0.5 * grown,
        }.items():
            rows[column] = chosen if devices or platform else np.nan
        training.append(rows.assign(**key, algorithm="sac"))
        for policy in ("sac", "crowd"):
            numbers = rng.normal(2 + 0.1 * place, 0.2, (6, episodes))
            rows = pd.DataFrame(
                {
                    "episode": np.arange(episodes),
                    "welfare": numbers[0],
                    "gain": numbers[1],
                    "edge_utility": 4 * numbers[2] - 8,
                    "platform_balance": platform * 4 * (numbers[3] - 2.2),
                    "unit_price": numbers[4],
                    "report_factor": 1 + devices * numbers[5],
                    "value_factor": 1 + 0.3 * platform,
                    "margin": 0.5 * platform,
                }
            )
            evaluation.append(rows.assign(**key, policy=policy, mechanism=name, num_users=4))
        for number, role in enumerate(("users", "edge_devices", "platform")):
            rows = pd.DataFrame({"episode": np.arange(episodes), "agent": 0})
            rows["gain"] = rng.normal(0.02 * place + 0.1 * number, 0.05, episodes)
            rows["reward"] = 2.0
            rows["deviating_reward"] = 2.0 + rows["gain"]
            exploitability.append(rows.assign(**key, role=role))
    found = {"training": training, "evaluation": evaluation, "exploitability": exploitability}
    return {name: pd.concat(rows, ignore_index=True) for name, rows in found.items()}
