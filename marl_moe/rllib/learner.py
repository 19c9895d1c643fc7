"""The learner of our SAC: one backward pass over all losses, fused Adam, Polyak averaging."""

from copy import deepcopy
from typing import Any

import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.sac.torch.sac_torch_learner import SACTorchLearner
from ray.rllib.core import COMPONENT_OPTIMIZER, COMPONENT_RL_MODULE
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.learner import Learner
from ray.rllib.core.rl_module.apis import TargetNetworkAPI
from torch import Tensor

from marl_moe.rllib.finite import check_loss
from marl_moe.rllib.module import (
    AVERAGE,
    LOG_PROBABILITIES,
    LOG_PROBABILITIES_NEXT,
    MASK,
    Q_TARGET_NEXT,
    Q_VALUES,
)

# gamma^m of each transition, m the steps to the bootstrapped observation; 0 where none follows
DISCOUNTS = "discounts"
LOG_ALPHA = "log_alpha"


class MaskedSacLearner(SACTorchLearner):
    """Discrete SAC (Christodoulou, arXiv 1910.07207) on masked actions.

    With V(s') = sum_a pi(a|s') [min_i Qbar_i(s', a) - alpha log pi(a|s')], the losses are

    - critics: sum_i mean (Q_i(s, a) - r - gamma^m V(s'))^2,
    - actor: mean sum_a pi(a|s) [alpha log pi(a|s) - min_i Q_i(s, a)],
    - temperature: mean log alpha (H(pi(.|s)) - target_entropy_ratio log |allowed actions of s|).

    Where an episode is truncated V(s') is bootstrapped; where it terminated the discount is 0 in
    place of gamma^m. The losses touch disjoint parameters:
    the gradients of their sum are the gradients of each.

    Several learners train on equal shares of a batch: the mean of their gradients is the gradient
    of the whole. Of the networks PyTorch's DistributedDataParallel takes the mean within the
    backward pass, of the temperatures, which are no part of a module, `compute_gradients` does.
    """

    def build(self) -> None:
        """Set the thread count, then build as RLlib does."""
        torch.set_num_threads(self.config.torch_threads)
        # Of the last minibatch, by the modules that it trained: metrics.
        self._last: dict[str, dict[str, Tensor]] = {}
        super().build()

    def configure_optimizers_for_module(
        self, module_id: str, config: AlgorithmConfig | None = None
    ) -> None:
        """Register one Adam each for critics, actor and temperature."""
        assert config is not None
        module = self._module[module_id].unwrapped()
        groups = {
            "qf": (list(module.critic.parameters()), config.critic_lr),
            "policy": (list(module.actor.parameters()), config.actor_lr),
            "alpha": ([self.curr_log_alpha[module_id]], config.alpha_lr),
        }
        for name, (parameters, learning_rate) in groups.items():
            self.register_optimizer(
                module_id=module_id,
                optimizer_name=name,
                optimizer=torch.optim.Adam(parameters, fused=True),
                params=parameters,
                lr_or_lr_schedule=learning_rate,
            )

    def compute_loss_for_module(
        self,
        *,
        module_id: str,
        config: AlgorithmConfig,
        batch: dict[str, Any],
        fwd_out: dict[str, Tensor],
    ) -> Tensor:
        """Return the sum of the three losses, and keep their metrics."""
        log_alpha = self.curr_log_alpha[module_id]
        alpha = log_alpha.detach().exp()

        log_next = fwd_out[LOG_PROBABILITIES_NEXT]
        value_next = (log_next.exp() * (fwd_out[Q_TARGET_NEXT] - alpha * log_next)).sum(dim=-1)
        target = batch[Columns.REWARDS] + batch[DISCOUNTS] * value_next
        taken = batch[Columns.ACTIONS].long()[None, :, None].expand(2, -1, 1)
        q_taken = fwd_out[Q_VALUES].gather(-1, taken).squeeze(-1)
        critic_loss = (q_taken - target).square().mean(dim=-1).sum()

        log_pi = fwd_out[LOG_PROBABILITIES]
        pi = log_pi.exp()
        q_values = fwd_out[Q_VALUES].detach()
        actor_loss = (pi * (alpha * log_pi - q_values.amin(dim=0))).sum(dim=-1).mean()

        entropy = -(pi.detach() * log_pi.detach()).sum(dim=-1)
        target_entropy = config.target_entropy_ratio * fwd_out[MASK].sum(dim=-1).float().log()
        alpha_loss = (log_alpha * (entropy - target_entropy)).mean()

        self._last[module_id] = {
            "critic_loss": critic_loss.detach(),
            "actor_loss": actor_loss.detach(),
            "temperature": alpha.squeeze(),
            "entropy": entropy.mean(),
            "q_mean": q_taken.detach().mean(),
        }
        return critic_loss + actor_loss + alpha_loss

    def compute_losses(
        self, *, fwd_out: dict[str, Any], batch: dict[str, Any]
    ) -> dict[str, Tensor]:
        """Compute the losses as RLlib does, and check them before they reach any weight.

        Raises:
            NotFiniteError: a loss is not finite.
        """
        self._last = {}
        losses: dict[str, Tensor] = super().compute_losses(fwd_out=fwd_out, batch=batch)
        check_loss(torch.stack(list(losses.values())).sum(), self, batch, self._last)
        return losses

    def compute_gradients(
        self, loss_per_module: dict[str, Tensor], **kwargs: Any
    ) -> dict[Any, Tensor]:
        """Compute the gradients by one backward pass over the losses of all modules trained."""
        for optimizer in self._optimizer_parameters:
            optimizer.zero_grad(set_to_none=True)
        torch.stack(list(loss_per_module.values())).sum().backward()
        if self.distributed:
            temperatures = [self.curr_log_alpha[module_id] for module_id in sorted(self._last)]
            slopes = torch.cat([log_alpha.grad for log_alpha in temperatures])
            torch.distributed.all_reduce(slopes)  # their sum
            means = slopes / self.config.num_learners
            for log_alpha, slope in zip(temperatures, means, strict=True):
                log_alpha.grad = slope[None]
        return {key: parameter.grad for key, parameter in self._params.items()}

    def apply_gradients(self, gradients_dict: dict[Any, Tensor]) -> None:
        """Step every optimiser, draw the targets towards the critics by tau, average the actor."""
        for key, gradient in gradients_dict.items():
            self._params[key].grad = gradient
        for optimizer in self._optimizer_parameters:
            optimizer.step()  # those without a gradient stay as they are
        with torch.no_grad():
            for module_id in self._last:
                module = self.module[module_id].unwrapped()
                for main, target in module.get_target_network_pairs():
                    torch._foreach_lerp_(
                        list(target.parameters()), list(main.parameters()), self.config.tau
                    )
                module.average.update_parameters(module.actor)

    def after_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Log the last minibatch's metrics and step learning rate schedules.

        RLlib's SAC moves the targets here; ours moves them with each minibatch.
        """
        for module_id, metrics in self._last.items():
            self.metrics.log_dict(metrics, key=module_id, window=1)
        Learner.after_gradient_based_update(self, timesteps=timesteps)

    def get_state(
        self, components: Any = None, *, not_components: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return RLlib's state, and the temperatures, which it leaves out."""
        state: dict[str, Any] = super().get_state(
            components, not_components=not_components, **kwargs
        )
        state[LOG_ALPHA] = {
            module_id: value.item() for module_id, value in self.curr_log_alpha.items()
        }
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state of `get_state`; in one without an actor's average it begins anew."""
        # Else RLlib would keep its own weights where they are newer than the state's.
        self._weights_seq_no = 0
        if COMPONENT_OPTIMIZER in state:
            # Adam would go on in the arrays of the state. From Ray's object store these are one for
            # all learners of a node, which would write to each other's moments.
            state = {**state, COMPONENT_OPTIMIZER: deepcopy(state[COMPONENT_OPTIMIZER])}
        super().set_state(state)
        for module_id, weights in state.get(COMPONENT_RL_MODULE, {}).items():
            if not any(name.startswith(AVERAGE) for name in weights):
                module = self.module[module_id].unwrapped()
                module.average.module.load_state_dict(module.actor.state_dict())
                module.average.n_averaged.zero_()
        for module_id, value in state.get(LOG_ALPHA, {}).items():
            self.curr_log_alpha[module_id].data.fill_(value)

    @classmethod
    def rl_module_required_apis(cls) -> list[type]:
        """Return the interfaces that a module needs to be trained here."""
        return [TargetNetworkAPI]
