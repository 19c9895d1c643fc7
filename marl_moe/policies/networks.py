"""Networks that score every action from an observation, in a registry: `pointer`, `mlp`.

They exist in `copies` (twin critics are two copies of one network), evaluated together as one
batched product. Torch only: a trained policy is loaded without Ray.

A new one is a class, decorated with `@register(name)` and made as `factory(copies, config)`, with
parameters of its own beside these. It may say two things of itself: `any_number_of_experts = True`
that it scores any number of experts, and by `carry_over(name, trained, fresh)` how a parameter that
was trained among one number of experts begins among another.
"""

from dataclasses import asdict, dataclass, field, fields
from inspect import signature
from math import inf
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from envs.config import WorldConfig
from envs.features import GAIN_BESIDE, REST
from marl_moe.policies.columns import ColumnNames, columns_of, is_named
from marl_moe.policies.prior import Prior, worth_at_first
from mechanisms.registry import Registry, nearest

# What `rl_module.model_config.network` may name: (B, D) -> (copies, B, C + 1) by
# `NETWORKS.make(name, copies=copies, config=config)`.
NETWORKS: Registry[nn.Module] = Registry("network")
register = NETWORKS.register
MOST_PRIOR = 1000  # logits a credit; there is hardly any choice long before
OURS = ("copies", "config")  # parameters that every network takes


def _plain() -> ColumnNames:
    """Return the columns of a world with every default, whose mechanism allocates nobody."""
    return columns_of(WorldConfig(), allocates=False)


@dataclass(frozen=True)
class NetworkConfig:
    """Configuration of a network.

    Attributes:
        num_experts: candidates a user, C; it binds networks that do not take any number.
        allow_abandon: whether users may abandon although they have candidates.
        network: name of a network that is registered.
        hidden: width of the hidden layers.
        user_features: names of the user's columns of an observation, which stand first.
        expert_features: names of the columns in each expert's block.
        prior: logits that an actor's action has for each credit that the world lets expect of it,
            and whether critics begin with these credits (`Prior`); 0: neither.
        budget_worth: credits that learning takes a whole budget for at first; 0 where users have
            none, or what follows does not count.
        parameters: the network's own.
    """

    num_experts: int
    allow_abandon: bool = True
    network: str = "pointer"
    hidden: int = 64
    user_features: tuple[str, ...] = field(default_factory=lambda: _plain().user)
    expert_features: tuple[str, ...] = field(default_factory=lambda: _plain().expert)
    prior: float = 5.0
    budget_worth: float = 0.0
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in ("user_features", "expert_features"):
            names = getattr(self, key)
            if not isinstance(names, list | tuple) or not all(type(name) is str for name in names):
                raise ValueError(f"{key} should be names of columns, got {names!r}")
            object.__setattr__(self, key, tuple(names))  # JSON has lists
        own = [key for key in signature(NETWORKS[self.network]).parameters if key not in OURS]
        if not isinstance(self.parameters, dict):
            raise ValueError(f"parameters should be a section, got {self.parameters!r}")
        for key in self.parameters:
            if key not in own:
                raise ValueError(
                    f"network {self.network!r} has no parameter {key!r}; {nearest(key, own)}"
                )
        if not isinstance(self.hidden, int) or self.hidden < 1:
            raise ValueError(f"hidden should be an integer of at least 1, got {self.hidden!r}")
        if type(self.prior) not in (int, float) or not 0 <= self.prior <= MOST_PRIOR:
            raise ValueError(f"prior should be a number of 0 to {MOST_PRIOR}, got {self.prior!r}")
        if self.prior and not any(is_named(name, GAIN_BESIDE) for name in self.expert_features):
            raise ValueError(f"prior: observations have no column {GAIN_BESIDE}")
        if type(self.budget_worth) not in (int, float) or not 0 <= self.budget_worth < inf:
            raise ValueError(
                f"budget_worth should be credits, at least 0, got {self.budget_worth!r}"
            )
        if self.budget_worth and REST not in self.user_features:
            raise ValueError(f"budget_worth: observations have no column {REST}")

    @classmethod
    def of(
        cls, world: WorldConfig, allocates: bool, gamma: float = 1.0, **keys: Any
    ) -> "NetworkConfig":
        """Return the configuration of a network for a world.

        Args:
            world: the world.
            allocates: whether its mechanism allocates experts to users.
            gamma: discount a slot, which decides what a budget is worth.
            keys: those that the world does not set (`OF_WORLD`).
        """
        columns = columns_of(world, allocates)
        return cls(
            num_experts=world.num_candidates,
            allow_abandon=world.allow_abandon,
            user_features=columns.user,
            expert_features=columns.expert,
            budget_worth=worth_at_first(world, gamma),
            **keys,
        )

    @property
    def columns(self) -> ColumnNames:
        """ColumnNames of an observation."""
        return ColumnNames(self.user_features, self.expert_features)

    @property
    def num_user_features(self) -> int:
        """Number of the user's columns."""
        return len(self.user_features)

    @property
    def num_expert_features(self) -> int:
        """Length of an expert's block in an observation."""
        return len(self.expert_features)

    @property
    def observation_size(self) -> int:
        """Length D of an observation."""
        return self.columns.size(self.num_experts)

    def build(self, copies: int) -> nn.Module:
        """Build a network of `copies` independent copies."""
        return NETWORKS.make(self.network, copies=copies, config=self, **self.parameters)

    def actor(self) -> nn.Module:
        """Build the network of an actor, whose scores are logits, in one copy."""
        return self._with_prior(1, self.prior)

    def critics(self, copies: int) -> nn.Module:
        """Build the networks of critics, whose scores are Q values, credits."""
        return self._with_prior(copies, 1.0)

    def _with_prior(self, copies: int, per_credit: float) -> nn.Module:
        network = self.build(copies)
        if not self.prior:
            return network
        return Prior(self.columns, per_credit, self.budget_worth).put_on(network, copies)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON writes them."""
        return asdict(self)


# Keys of the network that the world decides, and those that an experiment may give.
OF_WORLD = ("num_experts", "allow_abandon", "user_features", "expert_features", "budget_worth")
GIVEN = tuple(key.name for key in fields(NetworkConfig) if key.name not in OF_WORLD)


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


@register("pointer")
class PointerNetwork(nn.Module):
    """Network that scores each expert with the same weights, given the user and a context.

    Two hidden layers; the context is the mean of the experts' first hidden layer. Abandoning is
    scored from the context. Any number of experts, in any order: permuting the experts permutes
    their scores.

    The layers over all experts of a batch are bound by memory, not by arithmetic, so each is one
    product without a bias: that of the first layer is a column of ones in its input, that of the
    second comes with the context.
    """

    any_number_of_experts: ClassVar[bool] = True

    def __init__(self, copies: int, config: NetworkConfig) -> None:
        super().__init__()
        hidden = config.hidden
        self.num_user_features = config.num_user_features
        self.num_expert_features = config.num_expert_features
        self.expert_in = CopiedLinear(
            copies, self.num_expert_features + self.num_user_features + 1, hidden, bias=False
        )
        self.expert_hidden = CopiedLinear(copies, hidden, hidden, bias=False)
        self.context_hidden = CopiedLinear(copies, hidden, hidden)
        self.expert_out = CopiedLinear(copies, hidden, 1)
        self.abandon_hidden = CopiedLinear(copies, hidden, hidden)
        self.abandon_out = CopiedLinear(copies, hidden, 1)

    def forward(self, observation: Tensor) -> Tensor:
        """Return scores of all actions, (B, D) -> (copies, B, E + 1)."""
        batch = observation.shape[0]
        user = observation[:, : self.num_user_features]
        experts = observation[:, self.num_user_features :].reshape(
            batch, -1, self.num_expert_features
        )
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


@register("mlp")
class MlpNetwork(nn.Module):
    """Network of two hidden layers over the whole observation, for one number of experts."""

    def __init__(self, copies: int, config: NetworkConfig) -> None:
        super().__init__()
        num_experts, hidden = config.num_experts, config.hidden
        self.first = CopiedLinear(copies, config.observation_size, hidden)
        self.second = CopiedLinear(copies, hidden, hidden)
        self.out = CopiedLinear(copies, hidden, num_experts + 1)

    def forward(self, observation: Tensor) -> Tensor:
        """Return scores of all actions, (B, D) -> (copies, B, E + 1)."""
        hidden = torch.relu(self.first(observation[None]))
        return self.out(torch.relu(self.second(hidden)))

    @staticmethod
    def carry_over(name: str, trained: Tensor, fresh: Tensor) -> Tensor:
        """Return a parameter trained among one number of experts for a network among another.

        It keeps what was learned of the experts that are in both, and of abandoning; further
        experts have the inputs and outputs of the fresh network.

        Args:
            name: of the parameter, such as `out.weight`.
            trained: the parameter in the network that was trained.
            fresh: the parameter in the network to be trained.
        """
        value = fresh.clone()
        if name == "first.weight" and trained.shape[-1] == fresh.shape[-1]:
            # (copies, user and experts, hidden)
            inputs = min(trained.shape[-2], fresh.shape[-2])
            value[..., :inputs, :] = trained[..., :inputs, :]
        elif name in ("out.weight", "out.bias") and trained.shape[:-1] == fresh.shape[:-1]:
            # (..., E + 1), abandoning last
            experts = min(trained.shape[-1], fresh.shape[-1]) - 1
            value[..., :experts], value[..., -1] = trained[..., :experts], trained[..., -1]
        else:
            raise ValueError(f"trained as {tuple(trained.shape)}, not {tuple(fresh.shape)}")
        return value


def carried_over(network: str, name: str, trained: Tensor, fresh: Tensor) -> Tensor:
    """Return a parameter trained among one number of experts for a network among another.

    Those of the same shape fit as they are; for others the network says how (`carry_over`).

    Args:
        network: name of the network.
        name: of the parameter, such as `actor.out.weight`.
        trained: the parameter in the network that was trained.
        fresh: the parameter in the network to be trained.

    Raises:
        ValueError: one does not fit the other even so.
    """
    if trained.shape == fresh.shape:
        return trained
    refused = f"{name}: trained as {tuple(trained.shape)}, cannot go on as {tuple(fresh.shape)}"
    carry_over = getattr(NETWORKS[network], "carry_over", None)
    if carry_over is None:
        raise ValueError(
            f"{refused}: the network {network!r} does not say how, by carry_over(name, trained, "
            "fresh)"
        )
    try:
        value: Tensor = carry_over(name.partition(".")[2], trained, fresh)
    except Exception as error:  # whatever a network of a user's own does
        raise ValueError(refused) from error
    if value.shape != fresh.shape:
        raise ValueError(f"{refused}: carry_over gives {tuple(value.shape)}")
    return value
