"""Policies learned by RLlib's stock algorithms, saved as safetensors and JSON."""

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
from marl_moe.policies.base import ARCHITECTURE, STOCHASTIC, WEIGHTS
from marl_moe.policies.columns import ColumnNames
from marl_moe.policies.learned import (
    by_module,
    check_columns,
    read_policy,
    write_policy,
)
from marl_moe.rllib.limits import check_plain
from marl_moe.rllib.stock import STOCK
from marl_moe.rllib.stock_modules import columns_in


class StockPolicy:
    """Modules of RLlib that act for their users.

    Deterministic, by `forward_inference`: the likeliest action, or that of greatest Q. Stochastic,
    by `forward_exploration`: drawn from the distribution that training explores with at its end,
    for DQN epsilon-greedy. Masked actions are never chosen.

    Args:
        name: name in the records.
        modules: an RLModule for each module id.
        module_users: users that each module acts for; a single module acts for all users of any
            world.
        num_experts: candidates a user that the modules were built for.
        columns: of the observations that they were trained on.
        env_steps: of the whole training, where DQN's schedule of epsilon is read.
        rng: seeds the draws of actions; None acts deterministically.
    """

    def __init__(
        self,
        name: str,
        modules: Mapping[str, RLModule],
        module_users: Mapping[str, list[int]],
        num_experts: int,
        columns: ColumnNames,
        env_steps: int,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.name = name
        self.modules = dict(modules)
        self.module_users = dict(module_users)
        self.num_experts = num_experts
        self.columns = columns
        self.env_steps = env_steps
        self.rng = rng

    def stochastic(self, rng: np.random.Generator) -> "StockPolicy":
        """Return a policy of the same modules that draws its actions, named apart."""
        name = f"{self.name}{STOCHASTIC}"
        return StockPolicy(
            name,
            self.modules,
            self.module_users,
            self.num_experts,
            self.columns,
            self.env_steps,
            rng,
        )

    def act(self, slot: Slot) -> NDArray[np.int64]:
        """Return actions, (N, U).

        Raises:
            ValueError: the world is of a size that the modules cannot act in, or its observations
                have other columns than they were trained on.
        """
        if slot.num_candidates != self.num_experts:
            raise ValueError(
                f"{self.name}: trained with {self.num_experts} experts, it cannot act among "
                f"{slot.num_candidates}"
            )
        check_columns(self.name, self.columns, slot)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            if self.rng is not None:
                torch.manual_seed(int(self.rng.integers(2**63)))
            return by_module(self.name, slot, self.module_users, self._choose)

    def probabilities(self, slot: Slot) -> NDArray[np.float32] | None:
        """Return the probability of each action, (N, U, C + 1); None where modules tell none."""

        def shares(module_id: str, seen: Tensor) -> NDArray[np.float32]:
            output = self.modules[module_id].forward_inference({Columns.OBS: seen})
            logits = output.get(Columns.ACTION_DIST_INPUTS)
            if logits is None:  # as of DQN, which gives the action alone
                return np.empty((len(seen), 0), np.float32)
            return np.asarray(logits.softmax(dim=-1).numpy(), np.float32)

        with torch.no_grad():
            told = by_module(self.name, slot, self.module_users, shares)
        return told if told.shape[-1] else None

    def _choose(self, module_id: str, seen: Tensor) -> NDArray[np.int64]:
        """Return actions (B,) of one module for observations (B, D)."""
        module, batch = self.modules[module_id], {Columns.OBS: seen}
        if self.rng is None:
            output = module.forward_inference(batch)
            chosen = output.get(Columns.ACTIONS)
            if chosen is None:
                kind = module.get_inference_action_dist_cls()
                distribution = kind.from_logits(output[Columns.ACTION_DIST_INPUTS])
                chosen = distribution.to_deterministic().sample()
        else:
            output = module.forward_exploration(batch, t=self.env_steps)
            chosen = output.get(Columns.ACTIONS)
            if chosen is None:
                kind = module.get_exploration_action_dist_cls()
                chosen = kind.from_logits(output[Columns.ACTION_DIST_INPUTS]).sample()
        actions: NDArray[np.int64] = chosen.numpy()
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
    """Write modules' weights and their architecture into a folder.

    Args:
        folder: the folder.
        algorithm: name in `STOCK`.
        weights: {module: {parameter: tensor}}.
        model_config: of the modules.
        module_users: users that each module acts for.
        num_experts: candidates a user that the modules were built for.
        env_steps: of the whole training.
    """
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
        num_experts, env_steps = int(architecture["num_experts"]), int(architecture["env_steps"])
        check_plain("model_config", architecture["model_config"])
        config_class = STOCK[architecture["algorithm"]]
        columns = columns_in(architecture["model_config"])
        modules = {}
        for module_id in users:
            module = config_class.build_module(num_experts, architecture["model_config"])
            module.set_state(weights[module_id])
            modules[module_id] = module.requires_grad_(False)
    except Exception as error:  # RLlib raises errors of any kind
        raise RecordError(
            f"{folder / ARCHITECTURE}: not what {WEIGHTS} are the weights of ({error})"
        ) from None
    return StockPolicy(name, modules, users, num_experts, columns, env_steps)
