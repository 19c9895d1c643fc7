"""Networks that score every action from an observation: `pointer` and `mlp`.

Both exist in `copies` (twin critics are two copies of one network), evaluated together as one
batched product. Torch only: a trained policy is loaded without Ray.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from envs.observation import NUM_EXPERT_FEATURES, NUM_USER_FEATURES

NEVER = -1e9  # a logit whose probability is exactly zero in single precision


@dataclass(frozen=True)
class NetworkConfig:
    """Configuration of a network.

    Attributes:
        num_experts: candidates a user, C; it binds only the mlp, a pointer network takes any
            number.
        allow_abandon: whether users may abandon although they have candidates.
        network: `pointer` or `mlp`.
        hidden: width of the hidden layers.
        num_expert_features: length of an expert's block in an observation, one more where the
            mechanism allocates.
    """

    num_experts: int
    allow_abandon: bool = True
    network: Literal["pointer", "mlp"] = "pointer"
    hidden: int = 64
    num_expert_features: int = NUM_EXPERT_FEATURES

    def __post_init__(self) -> None:
        if self.network not in ("pointer", "mlp"):
            raise ValueError(f"network should be 'pointer' or 'mlp', got {self.network!r}")
        if not isinstance(self.hidden, int) or self.hidden < 1:
            raise ValueError(f"hidden should be an integer of at least 1, got {self.hidden!r}")

    def build(self, copies: int) -> nn.Module:
        """Build a network of `copies` independent copies."""
        if self.network == "pointer":
            return PointerNetwork(copies, self.hidden, self.num_expert_features)
        return MlpNetwork(copies, self.num_experts, self.hidden, self.num_expert_features)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON writes them."""
        return asdict(self)


class CopiedLinear(nn.Module):
    """`copies` linear layers side by side: (copies or 1, B, in) -> (copies, B, out).

    Without a bias where the input is long and narrow: adding one is another pass over the whole
    output.
    """

    def __init__(self, copies: int, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        bound = in_features**-0.5
        self.weight = nn.Parameter(
            torch.empty(copies, in_features, out_features).uniform_(-bound, bound)
        )
        self.bias: nn.Parameter | None = None
        if bias:
            self.bias = nn.Parameter(torch.empty(copies, 1, out_features).uniform_(-bound, bound))

    def forward(self, values: Tensor) -> Tensor:
        """Apply each copy to its own (or the one shared) batch."""
        values = values.expand(self.weight.shape[0], -1, -1)
        if self.bias is None:
            return torch.bmm(values, self.weight)
        return torch.baddbmm(self.bias, values, self.weight)


class PointerNetwork(nn.Module):
    """Network that scores each expert with the same weights, given the user and a context.

    Two hidden layers; the context is the mean of the experts' first hidden layer. Abandoning is
    scored from the context. Any number of experts, in any order: permuting the experts permutes
    their scores.

    The layers over all experts of a batch are bound by memory, not by arithmetic, so each is one
    product without a bias: that of the first layer is a column of ones in its input, that of the
    second comes with the context.
    """

    def __init__(
        self, copies: int, hidden: int, num_expert_features: int = NUM_EXPERT_FEATURES
    ) -> None:
        super().__init__()
        self.num_expert_features = num_expert_features
        self.expert_in = CopiedLinear(
            copies, num_expert_features + NUM_USER_FEATURES + 1, hidden, bias=False
        )
        self.expert_hidden = CopiedLinear(copies, hidden, hidden, bias=False)
        self.context_hidden = CopiedLinear(copies, hidden, hidden)
        self.expert_out = CopiedLinear(copies, hidden, 1)
        self.abandon_hidden = CopiedLinear(copies, hidden, hidden)
        self.abandon_out = CopiedLinear(copies, hidden, 1)

    def forward(self, observation: Tensor) -> Tensor:
        """Return scores of all actions, (B, D) -> (copies, B, E + 1)."""
        batch = observation.shape[0]
        user = observation[:, :NUM_USER_FEATURES]
        experts = observation[:, NUM_USER_FEATURES:].reshape(batch, -1, self.num_expert_features)
        num_experts = experts.shape[1]
        seen = torch.cat(
            [
                experts,
                user.unsqueeze(1).expand(-1, num_experts, -1),
                experts.new_ones(batch, num_experts, 1),
            ],
            dim=-1,
        )
        first = self.expert_in(seen.flatten(0, 1)[None]).relu_()
        context = first.unflatten(1, (batch, num_experts)).mean(dim=2)
        second = self.expert_hidden(first).unflatten(1, (batch, num_experts))
        second = (second + self.context_hidden(context).unsqueeze(2)).relu_()
        scores = (
            self.expert_out(second.flatten(1, 2)).unflatten(1, (batch, num_experts)).squeeze(-1)
        )
        abandon = self.abandon_out(torch.relu(self.abandon_hidden(context)))
        return torch.cat([scores, abandon], dim=-1)


class MlpNetwork(nn.Module):
    """Network of two hidden layers over the whole observation, for one number of experts."""

    def __init__(
        self, copies: int, num_experts: int, hidden: int, num_expert_features: int
    ) -> None:
        super().__init__()
        size = NUM_USER_FEATURES + num_experts * num_expert_features
        self.first = CopiedLinear(copies, size, hidden)
        self.second = CopiedLinear(copies, hidden, hidden)
        self.out = CopiedLinear(copies, hidden, num_experts + 1)

    def forward(self, observation: Tensor) -> Tensor:
        """Return scores of all actions, (B, D) -> (copies, B, E + 1)."""
        hidden = torch.relu(self.first(observation[None]))
        return self.out(torch.relu(self.second(hidden)))


def carried_over(name: str, trained: Tensor, fresh: Tensor) -> Tensor:
    """Return a parameter trained among one number of experts for a network among another.

    Those of a pointer network fit as they are. An mlp keeps what it learned of the experts that are
    in both, and of abandoning; further experts have the inputs and outputs of the fresh network.

    Args:
        name: of the parameter, such as `actor.out.weight`.
        trained: the parameter in the network that was trained.
        fresh: the parameter in the network to be trained.

    Raises:
        ValueError: one does not fit the other even so.
    """
    if trained.shape == fresh.shape:
        return trained
    layer = ".".join(name.split(".")[-2:])
    value = fresh.clone()
    if layer == "first.weight" and trained.shape[-1] == fresh.shape[-1]:
        # (copies, user and experts, hidden)
        inputs = min(trained.shape[-2], fresh.shape[-2])
        value[..., :inputs, :] = trained[..., :inputs, :]
    elif layer in ("out.weight", "out.bias") and trained.shape[:-1] == fresh.shape[:-1]:
        # (..., E + 1), abandoning last
        experts = min(trained.shape[-1], fresh.shape[-1]) - 1
        value[..., :experts], value[..., -1] = trained[..., :experts], trained[..., -1]
    else:
        raise ValueError(
            f"{name}: trained as {tuple(trained.shape)}, cannot go on as {tuple(fresh.shape)}"
        )
    return value


def action_mask(
    observation: Tensor, allow_abandon: bool, num_expert_features: int = NUM_EXPERT_FEATURES
) -> Tensor:
    """Return the action mask that an observation carries, (B, D) -> (B, E + 1) bool."""
    usable = observation[:, NUM_USER_FEATURES::num_expert_features] > 0.5
    abandon = torch.ones_like(usable[:, :1]) if allow_abandon else ~usable.any(dim=-1, keepdim=True)
    return torch.cat([usable, abandon], dim=-1)


def masked_logits(actor: nn.Module, observation: Tensor, mask: Tensor) -> Tensor:
    """Return logits of the policy, `NEVER` where the mask excludes an action, (B, E + 1)."""
    return actor(observation)[0].masked_fill(~mask, NEVER)
