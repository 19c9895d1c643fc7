"""Record tables as a run writes them, small."""

import json
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from .two_sided_tables import two_sided_tables

LEVELS = {
    "local": 43.5,
    "sac": 42.5,
    "sac_stochastic": 42.4,
    "abandon": 39.7,
    "random": 39.6,
    "greedy": 42.45,
}
# Columns without a value where neither equilibrium nor optimum was evaluated.
UNKNOWN = dict.fromkeys(("share_of_equilibrium", "share_of_optimum", "converged", "regret"), np.nan)
Tables = dict[str, pd.DataFrame]


def settings_of(point: str) -> dict[str, Any]:
    """Return the settings behind the label of a point of a test; values hold no blanks."""
    settings: dict[str, Any] = {}
    section: dict[str, Any] | None = None
    for word in point.split():
        key, _, text = word.partition("=")
        if key in ("mechanism", "algorithm"):
            section = settings[key] = {"name": text}
        elif section is None or "." in key:
            section, settings[key] = None, yaml.safe_load(text)
        elif "mechanism" in settings and section is settings["mechanism"]:
            section[key] = yaml.safe_load(text)
        else:
            section.setdefault("label", {})[key] = text
    return settings


def add_settings(tables: Tables) -> Tables:
    """Return tables with the column `settings` that belongs to their column `point`."""
    return {
        name: table.assign(
            settings=table["point"].map(
                {point: json.dumps(settings_of(point)) for point in table["point"].unique()}
            )
        )
        for name, table in tables.items()
    }


def built_once(make: Callable[..., Tables]) -> Callable[..., Tables]:
    """Return a maker that builds the tables of the same arguments once, and returns copies."""
    built: dict[str, Tables] = {}

    def copies(*arguments: Any, **keys: Any) -> Tables:
        asked = repr((arguments, keys))
        if asked not in built:
            built[asked] = make(*arguments, **keys)
        return {name: table.copy() for name, table in built[asked].items()}

    return copies


@pytest.fixture(scope="session")
def with_settings() -> Callable[[Tables], Tables]:
    return add_settings


@pytest.fixture(scope="session")
def make_tables() -> Callable[..., Tables]:
    def make(
        seeds: int = 3,
        epochs: int = 120,
        episodes: int = 120,
        points: Sequence[str] = ("",),
        algorithms: Sequence[str] = ("sac",),
    ) -> Tables:
        rng = np.random.default_rng(0)
        training, evaluation = [], []
        levels = LEVELS | dict.fromkeys(algorithms, 42.5)
        for point in points:
            for seed in range(seeds):
                epoch = np.arange(1, epochs + 1)
                for algorithm in algorithms:
                    utility = 42.5 - 2.9 * np.exp(-8 * epoch / epochs) + rng.normal(0, 0.5, epochs)
                    training.append(
                        pd.DataFrame(
                            {"epoch": epoch, "utility": utility, "gain": utility - 39.7}
                        ).assign(
                            seed=seed,
                            point=point,
                            algorithm=algorithm,
                            agent_steps=200 * epoch,
                            seconds=0.5 * epoch,
                        )
                    )
                for policy, level in levels.items():
                    utility = level + rng.normal(0, 0.5, episodes)
                    evaluation.append(
                        pd.DataFrame({"utility": utility, "gain": utility - 39.7}).assign(
                            seed=seed,
                            point=point,
                            policy=policy,
                            episode=np.arange(episodes),
                            num_users=1,
                            mechanism="none",
                            **UNKNOWN,
                        )
                    )
        return add_settings(
            {
                "training": pd.concat(training, ignore_index=True),
                "evaluation": pd.concat(evaluation, ignore_index=True),
            }
        )

    return built_once(make)


@pytest.fixture
def tables(make_tables: Callable[..., Tables]) -> Tables:
    return make_tables()


# Mean gain per slot and user at 1, 2, 4, 8, 16 and 32 users; 1, 8, 16 and 32 as measured.
USERS = (1, 2, 4, 8, 16, 32)
CONTENTION = {
    "local": (3.80, 3.80, 3.80, 3.80, 3.80, 3.80),
    "optimum": (2.83, 2.82, 2.81, 2.80, 2.71, 2.51),
    "nash": (2.82, 2.81, 2.80, 2.79, 2.69, 2.47),
    "sac": (2.81, 2.79, 2.75, 2.70, 2.53, 2.13),
    "better_response": (2.78, 2.75, 2.72, 2.66, 2.42, 1.10),
    "greedy": (2.83, 2.78, 2.66, 2.40, 1.74, -0.08),
    "load_aware": (0.85, 0.80, 0.74, 0.60, 0.35, -0.20),
    "round_robin": (-0.16, -0.14, -0.13, -0.10, -0.05, 0.05),
    "abandon": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "max_snr": (0.19, 0.17, 0.13, 0.04, -0.10, -0.53),
    "random": (-0.16, -0.19, -0.25, -0.35, -0.59, -1.14),
    "topic_match": (2.64, 2.10, 1.00, -0.71, -2.72, -5.49),
}


@pytest.fixture(scope="session")
def make_contention() -> Callable[..., Tables]:
    """A sweep over the number of users: one point each, with its own training."""

    def make(
        seeds: int = 3, episodes: int = 20, gains: dict[str, Sequence[float]] = CONTENTION
    ) -> Tables:
        rng = np.random.default_rng(0)
        training, evaluation = [], []
        for seed in range(seeds):
            for column, num_users in enumerate(USERS):
                setting = {"seed": seed, "point": f"env.num_users={num_users}"}
                epoch = np.arange(1, 25)
                training.append(
                    pd.DataFrame(
                        {"epoch": epoch, "utility": 42 - 1 / epoch, "gain": 2.3 - 1 / epoch}
                    ).assign(**setting, algorithm="sac", entropy=0.1)
                )
                world = rng.normal(0, 0.02) + rng.normal(
                    0, 0.1, episodes
                )  # the same for every policy
                for policy, means in gains.items():
                    noise = 0.02 + rng.normal(0, 0.05, episodes) + rng.normal(0, 0.05)
                    gain = (
                        means[column] * (1 + world) + (policy not in ("abandon", "local")) * noise
                    )
                    evaluation.append(
                        pd.DataFrame(
                            {"gain": gain, "utility": 39.7 + gain, "episode": np.arange(episodes)}
                        ).assign(**setting, num_users=num_users, policy=policy)
                    )
        table = pd.concat(evaluation, ignore_index=True)
        for reference, column in (
            ("nash", "share_of_equilibrium"),
            ("optimum", "share_of_optimum"),
        ):
            best = table[table["policy"] == reference].groupby(["seed", "point"])["gain"].mean()
            table[column] = table["gain"] / pd.MultiIndex.from_frame(table[["seed", "point"]]).map(
                best
            )
        of_equilibrium = table["policy"] == "nash"
        table["converged"] = np.where(of_equilibrium, 0.99, np.nan)
        table["regret"] = np.where(of_equilibrium, 0.01, np.nan)
        table = table.assign(worst_gain=table["gain"] - 0.3, jain=0.9 + 0.01 * table["gain"])
        return add_settings(
            {"training": pd.concat(training, ignore_index=True), "evaluation": table}
        )

    return built_once(make)


@pytest.fixture
def contention(make_contention: Callable[..., Tables]) -> Tables:
    return make_contention()


# sweep point: mechanism, status, unit price, points per slot and user, charge less payment per slot
PRICED = {
    "mechanism=none": ("none", "", 0.0, 0.7, 0.0),
    "mechanism=posted_price price=1.0": ("posted_price", "given", 1.0, 0.1, 0.0),
    "mechanism=posted_price price=2.0": ("posted_price", "given", 2.0, 0.5, 0.0),
    "mechanism=posted_price price=3.0": ("posted_price", "given", 3.0, 0.6, 0.0),
    "mechanism=posted_price": ("posted_price", "closed_form", 1.8, 0.45, 0.0),
    "mechanism=vcg": ("vcg", "optimal", 2.5, 0.65, -1.2),
}


@pytest.fixture(scope="session")
def make_pricing() -> Callable[..., Tables]:
    """A sweep over mechanisms, 4 users and 3 experts, with the books of every clearing."""

    def make(
        seeds: int = 3, episodes: int = 10, policies: Sequence[str] = ("sac", "nash")
    ) -> Tables:
        rng = np.random.default_rng(0)
        evaluation, market = [], []
        for (point, (mechanism, status, price, points, balance)), seed, policy in product(
            PRICED.items(), range(seeds), policies
        ):
            key = {"seed": seed, "point": point, "policy": policy, "mechanism": mechanism}
            noise = rng.normal(0, 0.02, episodes)
            qos = points + noise
            paid = price * qos  # per slot and user
            rows = pd.DataFrame(
                {"episode": np.arange(episodes), "qos": qos, "charge": paid + balance / 4}
            )
            rows["unit_price"] = price
            rows["gain"] = 4 * qos - rows["charge"]
            rows["edge_utility"] = 4 * (paid - 1.5 * qos)
            evaluation.append(
                rows.assign(
                    **key, num_users=4, platform_balance=balance, utility=39.7 + rows["gain"]
                )
            )
            if mechanism != "none":
                share = np.array([0.5, 0.3, 0.2])
                delivered = (4 * 20 * qos[:, None] * share).ravel()  # 20 slots
                books = pd.DataFrame(
                    {"episode": np.repeat(np.arange(episodes), 3), "points": delivered}
                )
                books = books.assign(
                    unit_price=price, payment=price * delivered, participates=price > 1.5
                )
                books = books.assign(slot=0, num_slots=20)
                market.append(
                    books.assign(**key, status=status, expert=np.tile(np.arange(3), episodes))
                )
        return add_settings(
            {
                "evaluation": pd.concat(evaluation, ignore_index=True),
                "market": pd.concat(market, ignore_index=True),
            }
        )

    return built_once(make)


@pytest.fixture
def pricing_tables(make_pricing: Callable[..., Tables]) -> Tables:
    return make_pricing()


# Sweep point: welfare promised and played, factor on costs reported, whether it claims to keep the
# budget, and the share of markets in which it does.
AUDITED = {
    "env.market.effort=bought mechanism=fisher": (0.2, 0.15, 1.1, True, 1.0),
    "env.market.effort=enforced mechanism=contract": (0.8, 0.75, 1.0, False, 1.0),
    "env.market.effort=bought mechanism=budgeted_price": (0.5, 0.7, 1.55, True, 0.0),
    "env.market.effort=bought mechanism=none": (0.95, 0.95, 1.0, False, 1.0),
    "env.market.effort=enforced mechanism=budgeted_price": (0.5, 0.45, 1.2, True, 1.0),
    "env.market.effort=bought mechanism=posted_price": (0.75, 0.9, 3.1, False, 0.0),
}
Audited = dict[str, tuple[float, float, float, bool, float]]


@pytest.fixture(scope="session")
def make_audits() -> Callable[..., Tables]:
    """A sweep over mechanisms and regimes; a seed promises 0.01 more than the one before.

    It plays 0.02 less, and the mean over seeds is that of the sweep point.
    """

    def make(seeds: int = 3, audited: Audited = AUDITED) -> Tables:
        audit = []
        for (point, numbers), seed in product(audited.items(), range(seeds)):
            promised, played, factor, claims, kept = numbers
            shift = 0.01 * (seed - (seeds - 1) / 2)
            settings = settings_of(point)
            audit.append(
                {
                    "seed": seed,
                    "point": point,
                    "mechanism": settings["mechanism"]["name"],
                    "effort": settings["env.market.effort"],
                    "promised_welfare_ratio": promised + shift,
                    "played_welfare_ratio": played - 2 * shift,
                    "played_budget_kept": kept,
                    "report_factor": factor + shift,
                    "exploitability_share": 0.02,
                    "claims_within_budget": claims,
                }
            )
        return add_settings({"audit": pd.DataFrame(audit)})

    return make


@pytest.fixture(scope="session")
def make_two_sided() -> Callable[..., Tables]:
    """A sweep over mechanisms and who learns beside the users."""
    return built_once(two_sided_tables)


# Sweep point -> agent steps and seconds of an epoch, and the share of the equilibrium's gain it
# comes to.
TRAININGS = {
    "algorithm=sac network=pointer": (6400, 1.0, 0.96),
    "algorithm=sac network=mlp": (6400, 0.7, 0.8),
    "algorithm=ppo network=mlp": (1600, 1.3, 0.6),
}


@pytest.fixture(scope="session")
def make_algorithms() -> Callable[..., Tables]:
    """A sweep over algorithms and networks of one world; no seed is as fast as another."""

    def make(seeds: int = 3, epochs: int = 60, episodes: int = 10) -> Tables:
        rng = np.random.default_rng(0)
        training, evaluation = [], []
        for (point, (steps, seconds, level)), seed in product(TRAININGS.items(), range(seeds)):
            algorithm = point.split()[0].removeprefix("algorithm=")
            key = {"seed": seed, "point": point}
            rows = pd.DataFrame({"epoch": np.arange(1, epochs + 1)})
            rows["agent_steps"] = steps * rows["epoch"]
            rows["seconds"] = seconds * (1 + 0.1 * seed) * rows["epoch"]
            rows["share_of_equilibrium"] = level * (
                1 - np.exp(-6 * rows["epoch"] / epochs)
            ) + rng.normal(0, 0.02, epochs)
            rows["gain"] = 2.8 * rows["share_of_equilibrium"]
            training.append(rows.assign(**key, algorithm=algorithm, utility=39.7 + rows["gain"]))
            for policy, share in {algorithm: level, "nash": 1.0, "greedy": 0.86}.items():
                rows = pd.DataFrame(
                    {"share_of_equilibrium": share + 0.01 * seed + rng.normal(0, 0.03, episodes)}
                )
                rows["gain"] = 2.8 * rows["share_of_equilibrium"]
                rows = rows.assign(**key, policy=policy, episode=np.arange(episodes), num_users=8)
                evaluation.append(rows.assign(utility=39.7 + rows["gain"]))
        return add_settings(
            {
                "training": pd.concat(training, ignore_index=True),
                "evaluation": pd.concat(evaluation, ignore_index=True),
            }
        )

    return built_once(make)


@pytest.fixture
def algorithms(make_algorithms: Callable[..., Tables]) -> Tables:
    return make_algorithms()
