"""Policies trained by RLlib's stock algorithms: saved as safetensors and JSON, played by their
modules.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import Tensor

from envs import Slot
from marl_moe.errors import RecordError
from marl_moe.policies.learned import (
    ARCHITECTURE,
    STOCHASTIC,
    WEIGHTS,
    act_by_module,
    read_policy,
    write_policy,
)
from marl_moe.rllib.limits import check_plain
from marl_moe.rllib.stock import STOCK


class StockPolicy:
    """RLlib's modules acting for their users: by `forward_inference`, or by `forward_exploration`
    with a generator.

    Deterministic: the likeliest action, or that of greatest Q. Stochastic: drawn from the
    distribution that training explores with at its end, for DQN epsilon-greedy. Masked actions are
    never chosen.

    Args:
        name: what records call it.
        modules: an RLModule for each module id.
        module_users: which users each module acts for; a single module acts for all users of any
            world.
        num_experts: E that the modules were built for.
        env_steps: of the whole training, where DQN's schedule of epsilon is read.
        rng: seeds what is drawn; None acts deterministically.
    """

    def __init__(
        self,
        name: str,
        modules: Mapping[str, RLModule],
        module_users: Mapping[str, list[int]],
        num_experts: int,
        env_steps: int,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.name = name
        self.modules = dict(modules)
        self.module_users = dict(module_users)
        self.num_experts = num_experts
        self.env_steps = env_steps
        self.rng = rng

    def stochastic(self, rng: np.random.Generator) -> "StockPolicy":
        """The same modules, drawing their actions; named apart."""
        name = f"{self.name}{STOCHASTIC}"
        return StockPolicy(
            name, self.modules, self.module_users, self.num_experts, self.env_steps, rng
        )

    def act(self, slot: Slot) -> NDArray[np.int64]:
        """Actions (N, U). Raises ValueError for a world of a size that the modules cannot serve."""
        if slot.num_candidates != self.num_experts:
            raise ValueError(
                f"{self.name}: trained with {self.num_experts} experts, it cannot act among "
                f"{slot.num_candidates}"
            )
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            if self.rng is not None:
                torch.manual_seed(int(self.rng.integers(2**63)))
            return act_by_module(self.name, slot, self.module_users, self._choose)

    def _choose(self, module_id: str, seen: Tensor) -> NDArray[np.int64]:
        """Actions (B,) of one module for observations (B, D)."""
        module, batch = self.modules[module_id], {Columns.OBS: seen}
        explores = self.rng is not None
        output = (
            module.forward_exploration(batch, t=self.env_steps)
            if explores
            else module.forward_inference(batch)
        )
        if Columns.ACTIONS not in output:
            kind = (
                module.get_exploration_action_dist_cls()
                if explores
                else module.get_inference_action_dist_cls()
            )
            distribution = kind.from_logits(output[Columns.ACTION_DIST_INPUTS])
            output[Columns.ACTIONS] = (
                distribution if explores else distribution.to_deterministic()
            ).sample()
        actions: NDArray[np.int64] = output[Columns.ACTIONS].numpy()
        return actions


def save_stock_policy(
    folder: Path,
    algorithm: str,
    weights: Mapping[str, Mapping[str, Tensor]],
    model_config: Mapping[str, Any],
    module_users: Mapping[str, list[int]],
    num_experts: int,
    env_steps: int,
) -> None:
    """Write modules' weights, {module: {parameter: tensor}}, and what they are into a folder."""
    architecture = {
        "algorithm": algorithm,
        "model_config": dict(model_config),
        "module_users": {module_id: list(users) for module_id, users in module_users.items()},
        "num_experts": num_experts,
        "env_steps": env_steps,
    }
    write_policy(folder, weights, architecture)


def load_stock_policy(folder: Path, name: str) -> StockPolicy:
    """Read what `save_stock_policy` wrote.

    Raises FileNotFoundError where there is none, RecordError where it is damaged.
    """
    architecture, weights = read_policy(folder)
    users = architecture["module_users"]
    try:
        num_experts, env_steps = int(architecture["num_experts"]), int(architecture["env_steps"])
        check_plain("model_config", architecture["model_config"])
        config_class = STOCK[architecture["algorithm"]]
        modules = {}
        for module_id in users:
            module = config_class.build_module(num_experts, architecture["model_config"])
            module.set_state(weights[module_id])
            modules[module_id] = module.requires_grad_(False)
    except Exception as error:  # RLlib raises whatever it stumbles over
        raise RecordError(
            f"{folder / ARCHITECTURE}: not what {WEIGHTS} are the weights of ({error})"
        ) from None
    return StockPolicy(name, modules, users, num_experts, env_steps)
