"""Checks of who learns, against the worlds and the mechanism of an experiment."""

from collections.abc import Iterable, Mapping, Sequence

from envs import WorldConfig
from envs.roles.levers import EDGE_DEVICES
from marl_moe.errors import unknown_key
from marl_moe.experiment.spec.algorithm import AlgorithmSpec
from marl_moe.experiment.spec.policies import PolicyEntry, PolicyOfRoles, RegisteredPolicy
from marl_moe.policies import POLICIES
from marl_moe.policies.sides import HEDGE
from mechanisms import Mechanism, is_free


def check_entries(entries: Iterable[PolicyEntry], learned: Sequence[str]) -> None:
    """Check the users of entries of roles.

    Args:
        entries: of `evaluation.policies`.
        learned: names of the policies that the experiment trains.

    Raises:
        ValueError: there are none of that name.
    """
    for entry in entries:
        if isinstance(entry, PolicyOfRoles) and entry.users not in learned:
            try:
                RegisteredPolicy.of(entry.users)
            except ValueError:
                known = [*learned, *POLICIES]
                raise ValueError(
                    f"evaluation.policies: users: {unknown_key(entry.users, known)}"
                ) from None


def check_roles(
    algorithm: AlgorithmSpec,
    mechanism: Mechanism,
    worlds: Mapping[str, WorldConfig],
    best_response_epochs: int,
) -> None:
    """Check that who learns beside the users can, and that best responses can be trained.

    Args:
        algorithm: with its roles.
        mechanism: by which markets are cleared.
        worlds: those that are played, by the sections that say them, `env` first.
        best_response_epochs: of the evaluation.

    Raises:
        ValueError: nothing is decided by choice, or worlds differ in what may be chosen; the
            message names the key.
    """
    learning = algorithm.roles.learning
    if best_response_epochs and not algorithm.has_best_responses:
        raise ValueError(
            "evaluation.best_response_epochs: is of algorithm sac with policies: shared, got "
            f"{algorithm.name} with {algorithm.policies}"
        )
    if algorithm.pretraining is not None and algorithm.roles.edge_devices == HEDGE:
        raise ValueError("algorithm.roles.edge_devices: hedge begins anew after a pretraining")
    if learning and is_free(mechanism):
        raise ValueError(
            f"algorithm.roles.{learning[0]}: nothing is decided under mechanism "
            f"{mechanism.name}; name one that pays"
        )
    if is_free(mechanism) or not (learning or best_response_epochs):
        return
    choices = worlds["env"].roles
    for section, env in worlds.items():
        if EDGE_DEVICES in learning and env.experts.cost_report != "truthful":
            raise ValueError(
                f"{section}.experts.cost_report: should be truthful where edge devices learn "
                f"what to report (algorithm.roles), got {env.experts.cost_report}"
            )
        if env.roles != choices:
            raise ValueError(f"{section}.roles: what roles learn among are the choices of env")
        interval = env.market.slots_between(mechanism.allocates)
        if interval >= env.episode_slots:
            raise ValueError(
                f"{section}.market.interval: should be below episode_slots, "
                f"{env.episode_slots}, so that anything is decided by choice, got {interval}"
            )
