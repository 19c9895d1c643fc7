"""Learned edge devices and platforms, saved as safetensors and JSON, played with torch alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from envs import MODEL
from envs.roles.config import RolesConfig
from envs.roles.levers import num_choices
from marl_moe.errors import RecordError
from marl_moe.policies.role_networks import RoleNetworkConfig, columns_of_role
from marl_moe.policies.sides import OTHER_SIDES, MixPolicy, RolePolicy, Sides
from marl_moe.policies.weights import Weights, read_weights, write_weights
from marl_moe.whole_file import write_text
from marl_moe.world_model import FIRST, other_model

SIDES, SIDES_WEIGHTS = "sides.json", "sides.safetensors"  # files beside those of the users' policy


class LearnedSide:
    """An actor that chooses for all agents of a side, by the likeliest choice or by a draw.

    Args:
        actor: its network.
        network: configuration of the network.
        rng: draws choices from the policy's distribution; None takes the likeliest.
    """

    def __init__(
        self,
        actor: nn.Module,
        network: RoleNetworkConfig,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.actor, self.network, self.rng = actor, network, rng

    @torch.no_grad()
    def act(self, seen: NDArray[np.float32]) -> NDArray[np.int64]:
        """See `RolePolicy`."""
        num_worlds, num_agents, size = seen.shape
        score = self.actor(torch.from_numpy(seen.reshape(-1, size)))[0].numpy()
        if self.rng is not None:
            score = score + self.rng.gumbel(size=score.shape)
        return np.asarray(score.argmax(axis=-1).reshape(num_worlds, num_agents), np.int64)


def save_sides(
    folder: Path,
    roles: RolesConfig,
    networks: Mapping[str, RoleNetworkConfig],
    weights: Weights,
    mixes: Mapping[str, NDArray[np.float64]],
) -> None:
    """Write what edge devices and the platform learned into a folder.

    Args:
        folder: beside the users' policy.
        roles: the choices that they learned among.
        networks: of the sides that are networks.
        weights: of their actors, {side: {parameter: tensor}}.
        mixes: (A, K) of the sides that hedge.
    """
    told = {
        "model": MODEL,
        "choices": _choices(roles),
        "networks": {role: network.as_dict() for role, network in networks.items()},
        "mixes": {role: mix.tolist() for role, mix in mixes.items()},
    }
    write_weights(folder / SIDES_WEIGHTS, weights)
    write_text(folder / SIDES, json.dumps(told, indent=2) + "\n")


def load_sides(folder: Path, roles: RolesConfig, rng: np.random.Generator) -> Sides:
    """Read what `save_sides` wrote.

    Args:
        folder: the folder.
        roles: the choices of the world that is to be played.
        rng: draws the choices of sides that hedge.

    Raises:
        FileNotFoundError: there is nothing of the kind.
        RecordError: it is damaged, or was learned among other choices or in another model.
    """
    path = folder / SIDES
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        model, choices = told.get("model", FIRST), told["choices"]
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise RecordError(f"{path}: not what sides learned ({error})") from None
    if model != MODEL:
        raise RecordError(other_model(f"{path}: sides of the market", model))
    if choices != _choices(roles):
        raise RecordError(
            f"{path}: learned among the choices {choices}, and env.roles has {_choices(roles)}"
        )
    try:
        weights = read_weights(folder / SIDES_WEIGHTS) if told["networks"] else {}
        return Sides(*(_side(role, told, weights, roles, rng) for role in OTHER_SIDES))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise RecordError(f"{path}: not what {SIDES_WEIGHTS} holds ({error})") from None


def _side(
    role: str,
    told: Mapping[str, Any],
    weights: Weights,
    roles: RolesConfig,
    rng: np.random.Generator,
) -> RolePolicy | None:
    choices = num_choices(roles, role)
    if role in told["mixes"]:
        mix = np.array(told["mixes"][role], dtype=float)
        is_mix = mix.ndim == 2 and mix.shape[1] == choices and len(mix) > 0
        if not (is_mix and (mix >= 0).all() and np.allclose(mix.sum(axis=1), 1)):
            raise ValueError(f"{role}: not a mix of {choices} choices for each agent")
        return MixPolicy(mix, rng)
    if role not in told["networks"]:
        return None
    network = RoleNetworkConfig(**told["networks"][role])
    if network.columns != columns_of_role(role) or network.choices != choices:
        raise ValueError(f"{role}: other columns or choices than those of this version")
    actor = network.actor()
    actor.load_state_dict(weights[role])
    return LearnedSide(actor.requires_grad_(False).eval(), network)


def _choices(roles: RolesConfig) -> dict[str, list[float]]:
    return {
        key: list(getattr(roles, key)) for key in ("report_factors", "value_factors", "margins")
    }
