"""Training of all roles beside training of users alone: agent slots a second, in turn."""

from typing import Any

from interleaved import Work, rates, ratios, summary
from report import Measurement, Told, say_nothing

from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.training.cluster import start_ray
from marl_moe.experiment.training.configuration import algorithm_config

WARM_EPOCHS = 3  # until every role has begun to learn
USERS_ALONE, THREE_ROLES = "users alone", "three roles by SAC"
ROLES: dict[str, dict[str, str]] = {
    USERS_ALONE: {},
    "users and edge devices that hedge": {"edge_devices": "hedge"},
    THREE_ROLES: {"edge_devices": "sac", "platform": "sac"},
}


def measure(seconds: float = 8.0, repeats: int = 5, told: Told = say_nothing) -> list[Measurement]:
    """Measure epochs of the quick start (16 users, posted price) by who learns.

    Args:
        seconds: of a round of each, at least.
        repeats: rounds.
        told: told what is being measured.
    """
    algorithms: dict[str, Any] = {}
    for name, roles in ROLES.items():
        spec = load_experiment("quickstart", changes={"algorithm": {"roles": roles}})
        start_ray(spec.cluster)
        algorithms[name] = algorithm_config(spec, seed=0).build_algo()
        for _ in range(WARM_EPOCHS):
            algorithms[name].train()

    def epoch(name: str) -> Work:
        def work() -> int:
            algorithms[name].train()
            return int(algorithms[name].config.env_config["world"]["episode_slots"])

        return work

    measured = rates({name: epoch(name) for name in ROLES}, repeats, seconds, told)
    rows = [
        summary("roles", name, "slots of 16 worlds", "1/s", values)
        for name, values in measured.items()
    ]
    for name in list(ROLES)[1:]:
        cost = ratios(measured[USERS_ALONE], measured[name])
        rows.append(summary("roles", name, "time over users alone", "", cost))
    for algorithm in algorithms.values():
        algorithm.stop()
    return rows
