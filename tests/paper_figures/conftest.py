"""Record tables as a run writes them, small."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

LEVELS = {"local": 43.5, "sac": 42.5, "sac_stochastic": 42.4, "abandon": 39.7, "random": 39.6, "greedy": 42.45}
Tables = dict[str, pd.DataFrame]


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
                        pd.DataFrame({"epoch": epoch, "utility": utility, "gain": utility - 39.7}).assign(
                            seed=seed, point=point, algorithm=algorithm, entropy=0.1
                        )
                    )
                for policy, level in levels.items():
                    utility = level + rng.normal(0, 0.5, episodes)
                    evaluation.append(
                        pd.DataFrame({"utility": utility, "gain": utility - 39.7}).assign(
                            seed=seed, point=point, policy=policy, episode=np.arange(episodes)
                        )
                    )
        return {
            "training": pd.concat(training, ignore_index=True),
            "evaluation": pd.concat(evaluation, ignore_index=True),
        }

    return make


@pytest.fixture
def tables(make_tables: Callable[..., Tables]) -> Tables:
    return make_tables()
