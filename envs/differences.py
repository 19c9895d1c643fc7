"""Columns of an observation that tell agents apart: quantities in which they may differ."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from envs.config import WorldConfig
from envs.feature import Feature, Sight


def _share_of_greatest(key: str, owner: str) -> Callable[[Sight], NDArray | float]:
    """Return what reads a quantity of users or of the pool / the greatest that any may have."""

    def read(sight: Sight) -> NDArray | float:
        value = getattr(getattr(sight.conditions, owner), key)
        return np.minimum(value / sight.conditions.config.bounds[key].greatest, 1.0)

    return read


def _where_different(owner: str, keys: dict[str, str]) -> dict[str, Feature]:
    """Return the columns of quantities in which agents may differ, by key."""
    return {
        key: Feature(key, f"{what} / the greatest of all", _share_of_greatest(key, owner))
        for key, what in keys.items()
    }


# Columns that are there where the configuration has users, or experts, that differ in them.
OF_DIFFERENT_USERS = _where_different(
    "users",
    {
        "local_compute": "my compute for a request",
        "private_probability": "how likely a subtask of mine must stay",
        "arrival_probability": "how likely my next request arrives",
        "deadline_s": "my deadline",
        "lateness_s": "time constant of what lateness costs me",
        "credits_per_point": "what a point is worth to me",
        "credits_per_word": "what a word costs me",
        "credits_per_joule": "what a joule costs me",
        "credits_per_second": "what a second of delay costs me",
    },
)
OF_DIFFERENT_EXPERTS = _where_different(
    "pool",
    {
        "words_per_second": "its speed",
        "max_concurrent": "its places",
        "availability_probability": "how likely it is up",
        "bandwidth_hz": "its band",
        "tx_power_w": "its power",
        "shared_knowledge": "what it knows as I do, for codecs that depend on it",
    },
)
OF_DIFFERENT_EXPERTS["serving_share"] = Feature(
    "serving_share",
    "share of the slot in which its band serves",
    lambda sight: sight.conditions.serving_share,
)


def features_of_users(config: WorldConfig) -> tuple[Feature, ...]:
    """Return the columns of quantities in which users may differ."""
    return _given(config, OF_DIFFERENT_USERS)


def features_of_experts(config: WorldConfig) -> tuple[Feature, ...]:
    """Return the columns of quantities in which experts may differ."""
    return _given(config, OF_DIFFERENT_EXPERTS)


def _given(config: WorldConfig, features: dict[str, Feature]) -> tuple[Feature, ...]:
    different = {key for key in features if config.bounds[key].number is None}
    if config.duty is not None:
        different.add("serving_share")  # what the duty leaves
    return tuple(features[key] for key in features if key in different)
