"""What users can reach who decide by what each sees: networks trained on counterfactual gains."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from envs import Slot, World
from marl_moe.policies.base import POLICIES, Actions, gain_of_episode, register
from marl_moe.policies.columns import columns_of
from marl_moe.policies.delivered_game import DeliveredGame, game_of
from marl_moe.policies.heuristics import Heuristic
from marl_moe.policies.optimum import move_gains

if TYPE_CHECKING:
    from torch import Tensor

    from marl_moe.policies.learned import LearnedPolicy

Gains = NDArray[np.floating]
NETWORK, UNTRAINED = "pointer", "untrained"
LEARNING_RATE = 1e-3  # at first; it falls to 0


class Decentralised(Heuristic):
    """A network for users who act by what each sees, trained by what other actions would have done.

    In each slot of training all users draw from the network's softmax pi. Of each of a user's
    actions it is then known what it would have brought beside what the others did, G_u(a, a_-u), by
    the world's own rules (`game_of`). The network climbs

        sum_u sum_a pi(a | o_u) G_u(a, a_-u)

    by Adam: the counterfactual policy gradient (COMA: Foerster et al., arXiv 1705.08926), with the
    game in place of a critic. In training that knows what no user does; when it acts it knows what
    SAC knows. It draws its actions, as in training, or takes the likeliest, whichever gained more
    in an episode of the worlds of training: users who see much the same should not all choose the
    same. It is myopic, as the equilibrium and the optimum are: what a slot does to those that
    follow is no part of G.

    Evaluation trains one in each world of a sweep, on seeds apart. Made alone it is untrained, and
    acts by what scores begin with (`policies.prior`).

    Attributes:
        setting: what it was trained with, and how it acts.

    Args:
        rng: draws the first weights, and actions in training.
        slots: of training, an update each, of all users in all worlds.
        hidden: units of a hidden layer.

    Raises:
        ValueError: `slots` or `hidden` is no integer of at least 1.
    """

    def __init__(self, rng: np.random.Generator, slots: int = 500, hidden: int = 64) -> None:
        super().__init__(rng)
        for key, value in {"slots": slots, "hidden": hidden}.items():
            if type(value) is not int or value < 1:
                raise ValueError(f"{key} should be an integer of at least 1, got {value!r}")
        self.slots, self.hidden = slots, hidden
        self.setting = UNTRAINED
        self._policy: LearnedPolicy | None = None

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U).

        Raises:
            ValueError: it was trained on observations of other columns.
        """
        policy = self._policy
        if policy is None or (
            self.setting == UNTRAINED
            and policy.network.columns != columns_of(slot.config, slot.offer.allocates)
        ):
            policy = self._policy = self._built(slot)
        return policy.act(slot)

    def train(self, world: World) -> None:
        """Train anew in these worlds, `slots` slots, episode after episode.

        Args:
            world: N worlds at the beginning of an episode.
        """
        import torch  # here: it takes the command longer to start than all else

        policy = self._built(world.slot)
        (actor,) = policy.actors.values()
        optimizer = torch.optim.Adam(actor.parameters(), LEARNING_RATE, fused=True)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums over a batch are then the same on every machine
        try:
            for done in range(self.slots):
                if world.done:
                    world.reset()
                slot = world.slot
                logits = _logits(policy, slot)
                lots = self.rng.gumbel(size=logits.shape)
                chosen = (logits.detach().numpy() + lots).argmax(axis=-1)
                gains = np.where(slot.mask, self.counterfactual(slot, chosen), 0)
                worth = torch.from_numpy(gains.astype(np.float32))
                optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - done / self.slots)
                optimizer.zero_grad()
                (-(logits.softmax(dim=-1) * worth).sum(dim=-1).mean()).backward()
                optimizer.step()
                world.step(chosen)
        finally:
            torch.set_num_threads(threads)
        ways = {"likeliest": policy, "drawn": policy.stochastic(self.rng)}
        gains_of = {}
        for way, acting in ways.items():
            world.reset()
            gains_of[way] = gain_of_episode(acting, world)
        way = max(gains_of, key=gains_of.__getitem__)
        self._policy = ways[way]
        self.setting = f"slots={self.slots} hidden={self.hidden} {way}"

    def counterfactual(self, slot: Slot, chosen: Actions) -> Gains:
        """Return G of each action of each user beside what the others do.

        Args:
            slot: the slot.
            chosen: what all users do, (N, U).

        Returns:
            Credits, (N, U, C + 1), but for a constant of each user; any number where an action is
            masked.
        """
        raise NotImplementedError

    def _built(self, slot: Slot) -> "LearnedPolicy":
        """Build a policy for the observations of a slot."""
        import torch

        from marl_moe.policies.learned import LearnedPolicy
        from marl_moe.policies.networks import NetworkConfig

        network = NetworkConfig.of(
            slot.config, slot.offer.allocates, gamma=0.0, network=NETWORK, hidden=self.hidden
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.rng.integers(2**63)))
            return LearnedPolicy(self.name, {"all": network.actor()}, network, {"all": [0]})


@register("cooperative")
class Cooperative(Decentralised):
    """Users who decide by what each sees, trained for the sum of their gains.

    G is what an action adds to the sum, so that the gradient is that of the expected sum. What they
    gain is a lower bound of what users who decide for themselves can reach.
    """

    name = "cooperative"

    def counterfactual(self, slot: Slot, chosen: Actions) -> Gains:
        """Return what each action adds to the sum of all gains, (N, U, C + 1)."""
        game = game_of(slot)
        if isinstance(game, DeliveredGame):
            return _of_each_user(game.social_gains, chosen)
        return move_gains(game, chosen)


@register("selfish")
class Selfish(Decentralised):
    """Users who decide by what each sees, each trained for its own gain, as SAC's are.

    G is what an action gains the user itself. What they gain says what can be expected of users who
    learn each for itself, and do so without the noise of exploring.
    """

    name = "selfish"

    def counterfactual(self, slot: Slot, chosen: Actions) -> Gains:
        """Return what each action gains the user, (N, U, C + 1)."""
        game = game_of(slot)
        if isinstance(game, DeliveredGame):
            return _of_each_user(game.gains, chosen)
        return game.deviations(chosen)[0]


def _logits(policy: "LearnedPolicy", slot: Slot) -> "Tensor":
    """Return masked logits of the one actor of a policy, (N, U, C + 1)."""
    import torch

    from marl_moe.policies.masks import action_mask, masked_logits

    (actor,) = policy.actors.values()
    seen = torch.tensor(slot.observation).flatten(0, 1)
    mask = action_mask(seen, slot.config.allow_abandon, policy.network.columns)
    return masked_logits(actor, seen, mask).unflatten(0, (slot.num_worlds, slot.num_users))


def _of_each_user(gains: Callable[[int, Actions], NDArray], chosen: Actions) -> NDArray:
    return np.stack([gains(user, chosen) for user in range(chosen.shape[1])], axis=1)


def is_trained(name: str) -> bool:
    """Return whether the policy registered as `name` is one that evaluation trains."""
    factory = POLICIES[name]
    return isinstance(factory, type) and issubclass(factory, Decentralised)
