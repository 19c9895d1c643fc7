"""Trained policies: saved as safetensors and JSON, loaded and played with torch alone."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from envs import World
from marl_moe.policies.networks import NetworkConfig, action_mask, masked_logits

WEIGHTS, ARCHITECTURE = "policy.safetensors", "policy.json"


class LearnedPolicy:
    """Actors that act for their users: deterministic (the likeliest action), or stochastic with a generator.

    Args:
        name: what records call it.
        actors: a network for each module.
        network: what the actors are made of.
        module_users: which users each module acts for; a single module acts for all users of any world.
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
        """The same actors, drawing their actions; named apart."""
        return LearnedPolicy(f"{self.name}_stochastic", self.actors, self.network, self.module_users, rng)

    @torch.no_grad()
    def act(self, world: World) -> NDArray[np.int64]:
        """Actions (N, U). Raises ValueError for a world of a size that the networks cannot serve."""
        seen = world.observe()
        self._check(world)
        action = np.empty(seen.shape[:2], np.int64)
        for module_id, actor in self.actors.items():
            users = self.module_users[module_id] if len(self.actors) > 1 else list(range(world.num_users))
            batch = torch.from_numpy(np.ascontiguousarray(seen[:, users]).reshape(-1, seen.shape[-1]))
            mask = action_mask(batch, world.config.allow_abandon)
            score = masked_logits(actor, batch, mask).numpy()
            if self.rng is not None:
                score = score + self.rng.gumbel(size=score.shape)
            action[:, users] = score.argmax(axis=-1).reshape(-1, len(users))
        return action

    def _check(self, world: World) -> None:
        if self.network.network == "mlp" and world.num_experts != self.network.num_experts:
            raise ValueError(
                f"{self.name}: an mlp trained with {self.network.num_experts} experts cannot act among "
                f"{world.num_experts}; a pointer network could"
            )
        served = sum(len(users) for users in self.module_users.values())
        if len(self.actors) > 1 and world.num_users != served:
            raise ValueError(f"{self.name}: its modules act for {served} users, the world has {world.num_users}")


def save_policy(
    folder: Path,
    weights: Mapping[str, Mapping[str, Tensor]],
    network: NetworkConfig,
    module_users: Mapping[str, list[int]],
) -> None:
    """Write actors' weights, {module: {parameter: tensor}}, and what they are into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    flat = {
        f"{module_id}/{name}": tensor.detach().cpu().contiguous()
        for module_id, actor in weights.items()
        for name, tensor in actor.items()
    }
    architecture = {"network": network.as_dict(), "module_users": {key: list(u) for key, u in module_users.items()}}
    partial = folder / f".{WEIGHTS}.partial"
    save_file(flat, partial)
    os.replace(partial, folder / WEIGHTS)
    partial = folder / f".{ARCHITECTURE}.partial"
    partial.write_text(json.dumps(architecture, indent=2) + "\n")
    os.replace(partial, folder / ARCHITECTURE)


def load_policy(folder: Path, name: str) -> LearnedPolicy:
    """Read what `save_policy` wrote. Raises FileNotFoundError where there is none."""
    architecture = json.loads((folder / ARCHITECTURE).read_text())
    network = NetworkConfig(**architecture["network"])
    flat = load_file(folder / WEIGHTS)
    actors = {}
    for module_id in architecture["module_users"]:
        actor = network.build(copies=1)
        prefix = f"{module_id}/"
        actor.load_state_dict({key.removeprefix(prefix): w for key, w in flat.items() if key.startswith(prefix)})
        actors[module_id] = actor.requires_grad_(False).eval()
    return LearnedPolicy(name, actors, network, architecture["module_users"])
