"""Updates a second: our learner inside RLlib, and the same update in a bare PyTorch loop.

Both draw from the same replay, as many updates at a time as training does, and share nothing else
but the networks' definition. The losses are those of discrete SAC (Christodoulou, arXiv
1910.07207), written once more, so that the loop is the independent reference for what RLlib costs,
and for the learner's losses.
"""

import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from contention import contention_spec
from interleaved import rates, ratios, summary
from matplotlib.figure import Figure
from report import Measurement, Told, say_nothing, single

from envs.roles.levers import USERS
from marl_moe.experiment.training.cluster import start_ray
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.policies.masks import action_mask, masked_logits
from marl_moe.policies.networks import NetworkConfig
from marl_moe.rllib.replay import ReplayRing
from paper_figures import style

# Updates whose batches are drawn together, as many as follow a fragment in `contention.yaml`.
AT_ONCE = 10
SECTIONS = {  # with their colours
    "replay": "#DDAA33",
    "forward": "#6699CC",
    "backward": "#004488",
    "optimisers": "#BB5566",
    "rest": "#777777",
}
OURS, BARE = "ours inside RLlib", "bare PyTorch loop"


class Stopwatch:
    """Seconds spent in named sections."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, section: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, adding its time to a section."""

        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            result = function(*args, **kwargs)
            self.seconds[section] = self.seconds.get(section, 0.0) + time.perf_counter() - began
            return result

        return call


class BareLoop:
    """Discrete SAC on masked actions in PyTorch alone."""

    def __init__(
        self, network: NetworkConfig, config: Any, replay: ReplayRing, num_users: int
    ) -> None:
        self.seen_as = network.allow_abandon, network.columns
        self.actor, self.critic = network.actor(), network.critics(copies=2)
        self.target_critic = deepcopy(self.critic).requires_grad_(False)
        self.log_alpha = torch.tensor(float(np.log(config.initial_alpha)), requires_grad=True)
        self.optimisers = [
            torch.optim.Adam(self.critic.parameters(), lr=config.critic_lr, fused=True),
            torch.optim.Adam(self.actor.parameters(), lr=config.actor_lr, fused=True),
            torch.optim.Adam([self.log_alpha], lr=config.alpha_lr, fused=True),
        ]
        self.batch_size, self.tau = config.train_batch_size_per_learner, config.tau
        self.target_entropy_ratio = config.target_entropy_ratio
        self.replay, self.users, self.rng = replay, np.arange(num_users), np.random.default_rng(0)

    def update(self, updates: int) -> int:
        """Draw the batches of several updates at once and learn from them one by one."""
        for batch in self.sample(updates):
            self.backward(self.losses(*batch))
            self.step()
        return updates

    def sample(self, updates: int) -> list[tuple[torch.Tensor, ...]]:
        """Sample observations, actions, rewards, next observations, discounts by update."""
        columns = self.replay.sample(updates * self.batch_size, self.users, self.rng)
        return list(
            zip(
                *(torch.from_numpy(column).split(self.batch_size) for column in columns),
                strict=True,
            )
        )

    def losses(
        self,
        seen: torch.Tensor,
        action: torch.Tensor,
        reward: torch.Tensor,
        seen_next: torch.Tensor,
        discount: torch.Tensor,
    ) -> torch.Tensor:
        """Return the sum of the losses of critics, actor and temperature."""
        alpha = self.log_alpha.detach().exp()
        with torch.no_grad():
            mask_next = action_mask(seen_next, *self.seen_as)
            log_next = torch.log_softmax(masked_logits(self.actor, seen_next, mask_next), dim=-1)
            q_next = self.target_critic(seen_next).amin(dim=0)
            target = reward + discount * (log_next.exp() * (q_next - alpha * log_next)).sum(dim=-1)
        q_values = self.critic(seen)
        q_taken = q_values.gather(-1, action.long()[None, :, None].expand(2, -1, 1)).squeeze(-1)
        critic_loss = (q_taken - target).square().mean(dim=-1).sum()

        mask = action_mask(seen, *self.seen_as)
        log_pi = torch.log_softmax(masked_logits(self.actor, seen, mask), dim=-1)
        q_least = q_values.detach().amin(dim=0)
        actor_loss = (log_pi.exp() * (alpha * log_pi - q_least)).sum(dim=-1).mean()

        entropy = -(log_pi.exp() * log_pi).detach().sum(dim=-1)
        target_entropy = self.target_entropy_ratio * mask.sum(dim=-1).float().log()
        return critic_loss + actor_loss + (self.log_alpha * (entropy - target_entropy)).mean()

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of the sum: the losses touch disjoint parameters."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()

    def step(self) -> None:
        """Step the optimisers, and draw the targets towards the critics."""
        for optimiser in self.optimisers:
            optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.target_critic.parameters()), list(self.critic.parameters()), self.tau
            )


def built(num_users: int, num_experts: int, **sections: dict[str, Any]) -> Any:
    """Return our algorithm as in `contention.yaml` but for `sections`, after one iteration."""
    start_ray()
    section = contention_spec().as_dict()["algorithm"]
    for name, keys in sections.items():
        section[name] = section.get(name, {}) | keys
    spec = contention_spec(section, num_users=num_users, num_experts=num_experts)
    algorithm = algorithm_config(spec, seed=0).build_algo()
    algorithm.train()
    return algorithm


def measure(
    num_users: int = 16,
    num_experts: int = 30,
    repeats: int = 12,
    seconds: float = 1.5,
    told: Told = say_nothing,
) -> list[Measurement]:
    """Measure updates a second of both, their ratio, and milliseconds of each section."""
    told("filling a replay")
    algorithm = built(num_users, num_experts)
    try:
        network = NetworkConfig(
            **next(iter(algorithm.config.rl_module_spec.rl_module_specs.values())).model_config
        )
        bare = BareLoop(network, algorithm.config, algorithm.local_replay_buffer, num_users)

        def ours() -> int:
            algorithm._update(USERS, AT_ONCE)
            return AT_ONCE

        measured = rates({OURS: ours, BARE: lambda: bare.update(AT_ONCE)}, repeats, seconds, told)
        told("where an update's time goes")
        calls = max(1, round(seconds * median(measured[OURS]) / AT_ONCE))
        return [
            *(
                summary("updates", name, "rate", "updates/s", values)
                for name, values in measured.items()
            ),
            summary(
                "updates", f"{OURS} / {BARE}", "ratio", "", ratios(measured[OURS], measured[BARE])
            ),
            *_sections_of_ours(algorithm, calls),
            *_sections_of_bare(bare, calls),
        ]
    finally:
        algorithm.stop()


def draw(table: pd.DataFrame) -> Figure:
    """Where the time of an update goes, in both."""
    mine = table[(table["benchmark"] == "updates") & table["quantity"].isin(SECTIONS)]
    with plt.rc_context(style.SINGLE_COLUMN):
        figure, ax = plt.subplots(layout="constrained")
    start = pd.Series(0.0, index=[OURS, BARE])
    for section, colour in SECTIONS.items():
        spent = (
            mine[mine["quantity"] == section].set_index("variant")["median"].reindex(start.index)
        )
        ax.barh(start.index, spent, left=start, height=0.5, color=colour, label=section)
        start += spent
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("Time of an update (ms)")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def _sections_of_ours(algorithm: Any, calls: int) -> list[Measurement]:
    watch, learner = Stopwatch(), algorithm.learner_group._learner
    replay = algorithm.local_replay_buffer
    replay.sample = watch.timed("replay", replay.sample)
    learner.module.forward_train = watch.timed("forward", learner.module.forward_train)
    learner.compute_losses = watch.timed("forward", learner.compute_losses)
    learner.compute_gradients = watch.timed("backward", learner.compute_gradients)
    learner.apply_gradients = watch.timed("optimisers", learner.apply_gradients)
    return _sections(OURS, watch, partial(algorithm._update, USERS), calls)


def _sections_of_bare(bare: BareLoop, calls: int) -> list[Measurement]:
    watch = Stopwatch()
    bare.sample = watch.timed("replay", bare.sample)
    bare.losses = watch.timed("forward", bare.losses)
    bare.backward = watch.timed("backward", bare.backward)
    bare.step = watch.timed("optimisers", bare.step)
    return _sections(BARE, watch, bare.update, calls)


def _sections(
    variant: str, watch: Stopwatch, update: Callable[[int], Any], calls: int
) -> list[Measurement]:
    """Return milliseconds an update of each section; `rest` is what no section counts."""
    began = time.perf_counter()
    for _ in range(calls):
        update(AT_ONCE)
    seconds = time.perf_counter() - began
    spent = watch.seconds | {"rest": seconds - sum(watch.seconds.values())}
    return [
        single(
            "updates", variant, section, "ms an update", 1000 * spent[section] / (calls * AT_ONCE)
        )
        for section in SECTIONS
    ]
