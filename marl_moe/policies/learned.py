"""Learned policies, saved as safetensors and JSON, loaded and played with torch alone."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeInt, TypeAdapter, ValidationError
from torch import Tensor, nn

from envs import MODEL, Slot
from marl_moe.errors import RecordError
from marl_moe.policies.base import ARCHITECTURE, STOCHASTIC, WEIGHTS
from marl_moe.policies.columns import ColumnNames, columns_of, difference
from marl_moe.policies.masks import action_mask, masked_logits
from marl_moe.policies.network_checks import build_within
from marl_moe.policies.networks import NetworkConfig
from marl_moe.policies.weights import Weights, read_weights, write_weights
from marl_moe.whole_file import write_text
from marl_moe.world_model import FIRST, other_model

Number = TypeVar("Number", bound=np.generic)
_USERS = TypeAdapter(dict[str, list[NonNegativeInt]])


class LearnedPolicy:
    """Actors that act for their users, by the likeliest action or by a draw.

    Args:
        name: name in the records.
        actors: a network for each module.
        network: configuration of the actors.
        module_users: users that each module acts for; a single module acts for all users of any
            world.
        rng: draws actions from the policy's distribution; None takes the likeliest.
    """

    def __init__(
        self,
        name: str,
        actors: Mapping[str, nn.Module],
        network: NetworkConfig,
        module_users: Mapping[str, list[int]],
        rng: np.random.Generator | None = None,
    ) -> None:
        self.name = name
        self.actors = dict(actors)
        self.network = network
        self.module_users = dict(module_users)
        self.rng = rng

    def stochastic(self, rng: np.random.Generator) -> "LearnedPolicy":
        """Return a policy of the same actors that draws its actions, named apart."""
        return LearnedPolicy(
            f"{self.name}{STOCHASTIC}", self.actors, self.network, self.module_users, rng
        )

    @torch.no_grad()
    def act(self, slot: Slot) -> NDArray[np.int64]:
        """Return actions, (N, U).

        Raises:
            ValueError: the networks cannot act in a world of that size, or in one whose
                observations have other columns than they were trained on.
        """
        anywhere = all(
            getattr(actor, "any_number_of_experts", False) for actor in self.actors.values()
        )
        if not anywhere and slot.num_candidates != self.network.num_experts:
            raise ValueError(
                f"{self.name}: a network {self.network.network!r} trained with "
                f"{self.network.num_experts} experts cannot act among {slot.num_candidates}; one "
                "that takes any number of experts could, as a pointer network"
            )
        check_columns(self.name, self.network.columns, slot)

        def choose(module_id: str, batch: Tensor) -> NDArray[np.int64]:
            mask = action_mask(batch, slot.config.allow_abandon, self.network.columns)
            score = masked_logits(self.actors[module_id], batch, mask).numpy()
            if self.rng is not None:
                score = score + self.rng.gumbel(size=score.shape)
            return score.argmax(axis=-1)

        return by_module(self.name, slot, self.module_users, choose)

    @torch.no_grad()
    def probabilities(self, slot: Slot) -> NDArray[np.float32]:
        """Return the probability that its distribution gives each action, (N, U, C + 1).

        It is that of the last action too where the policy takes the likeliest.
        """

        def shares(module_id: str, batch: Tensor) -> NDArray[np.float32]:
            mask = action_mask(batch, slot.config.allow_abandon, self.network.columns)
            return masked_logits(self.actors[module_id], batch, mask).softmax(dim=-1).numpy()

        return by_module(self.name, slot, self.module_users, shares)


def check_columns(name: str, trained: ColumnNames, slot: Slot) -> None:
    """Check that observations have the columns that a policy was trained on.

    Args:
        name: of the policy.
        trained: the columns.
        slot: the slot that is acted in.

    Raises:
        ValueError: they have others; the message names them.
    """
    differs = difference(trained, columns_of(slot.config, slot.offer.allocates))
    if differs:
        raise ValueError(
            f"{name}: it cannot act under the mechanism {slot.offer.mechanism!r} in this world, "
            f"whose observations {differs}"
        )


def by_module(
    name: str,
    slot: Slot,
    module_users: Mapping[str, list[int]],
    evaluate: Callable[[str, Tensor], NDArray[Number]],
) -> NDArray[Number]:
    """Return what modules make of a slot, each of all its users in all worlds at once.

    Args:
        name: of the policy.
        slot: the slot that is acted in.
        module_users: users that each module acts for; a single module acts for all users of any
            world.
        evaluate: maps a module id and observations (B, D) to an array (B, ...), as of actions.

    Returns:
        (N, U, ...).

    Raises:
        ValueError: several modules act for another number of users than the world has.
    """
    served = sum(len(users) for users in module_users.values())
    if len(module_users) > 1 and slot.num_users != served:
        raise ValueError(
            f"{name}: its modules act for {served} users, the world has {slot.num_users}"
        )
    seen = slot.observation
    parts, order = [], []
    for module_id in module_users:
        users = module_users[module_id] if len(module_users) > 1 else list(range(slot.num_users))
        batch = torch.from_numpy(np.ascontiguousarray(seen[:, users]).reshape(-1, seen.shape[-1]))
        part = evaluate(module_id, batch)
        parts.append(part.reshape(slot.num_worlds, len(users), *part.shape[1:]))
        order += users
    return np.concatenate(parts, axis=1)[:, np.argsort(order)]


def save_policy(
    folder: Path,
    weights: Weights,
    network: NetworkConfig,
    module_users: Mapping[str, list[int]],
) -> None:
    """Write actors' weights and their architecture into a folder."""
    users = {module_id: list(members) for module_id, members in module_users.items()}
    write_policy(folder, weights, {"network": network.as_dict(), "module_users": users})


def load_policy(folder: Path, name: str) -> LearnedPolicy:
    """Read what `save_policy` wrote.

    Args:
        folder: the folder.
        name: of the policy in the records.

    Raises:
        FileNotFoundError: there is none.
        RecordError: it is damaged.
    """
    architecture, weights = read_policy(folder)
    users = architecture["module_users"]
    try:
        # Without a prior it was written before there were any.
        network = NetworkConfig(**{"prior": 0.0} | architecture["network"])
        actors = {module_id: _loaded(network, weights[module_id]) for module_id in users}
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise RecordError(
            f"{folder / ARCHITECTURE}: not what {WEIGHTS} are the weights of ({error})"
        ) from None
    return LearnedPolicy(name, actors, network, users)


def _loaded(network: NetworkConfig, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return an actor with these weights.

    Raises:
        ValueError: the network has more parameters; it is raised before memory is taken for them.
    """
    actor = build_within(network, most=sum(tensor.numel() for tensor in weights.values()))
    actor.load_state_dict(weights)
    return actor.requires_grad_(False).eval()


def write_policy(folder: Path, weights: Weights, architecture: Mapping[str, Any]) -> None:
    """Write weights as safetensors, and as JSON the model of the world and what they belong to."""
    write_weights(folder / WEIGHTS, weights)
    described = {"model": MODEL, **architecture}
    write_text(folder / ARCHITECTURE, json.dumps(described, indent=2) + "\n")


def read_policy(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Read what `write_policy` wrote.

    Returns:
        The architecture, which holds the users of each module as `module_users`, and the weights,
        {module: {parameter: tensor}}.

    Raises:
        FileNotFoundError: there is none.
        RecordError: it is damaged, or was trained with another model of the world.
    """
    path = folder / ARCHITECTURE
    try:
        architecture = json.loads(path.read_text(encoding="utf-8"))
        _USERS.validate_python(architecture["module_users"], strict=True)
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordError(f"{path}: not a policy ({str(error).splitlines()[0]})") from None
    model = architecture.get("model", FIRST)
    if model != MODEL:
        raise RecordError(other_model(f"{path}: a policy", model))
    return architecture, read_weights(folder / WEIGHTS)
