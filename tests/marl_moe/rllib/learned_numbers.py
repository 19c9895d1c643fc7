"""Numbers that an algorithm has learned or counted, to compare two of them."""

from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]


def weights(algorithm: Any) -> Weights:
    """Return every number learned: networks, targets and temperature of each module."""
    learner = algorithm.learner_group._learner
    found = {
        f"{module} temperature": value.detach().numpy().copy()
        for module, value in learner.curr_log_alpha.items()
    }
    for module in algorithm.config.env_config["module_users"]:
        state = learner.module[module].unwrapped().state_dict()
        found |= {f"{module} {name}": value.numpy().copy() for name, value in state.items()}
    return found


def learner_state(algorithm: Any) -> Weights:
    """Return all that the learner holds: networks, targets, temperature and optimisers."""
    state = algorithm.learner_group.get_state()["learner"]
    found = {
        f"{module} temperature": np.array(value) for module, value in state["log_alpha"].items()
    }
    for module, networks in state["rl_module"].items():
        found |= {f"{module} {name}": np.array(value) for name, value in networks.items()}
    for optimizer, held in state["optimizer"].items():
        for number, moments in held["state"]["state"].items():
            found |= {
                f"{optimizer} {number} {name}": np.array(value) for name, value in moments.items()
            }
    return found


def same(one: Weights, other: Weights) -> bool:
    """Return whether all numbers are equal to the bit."""
    assert one.keys() == other.keys()
    return all(np.array_equal(one[name], other[name]) for name in one)


def counts(result: dict[str, Any]) -> tuple[int, int, int]:
    """Return env steps, agent steps and updates so far."""
    runners = result["env_runners"]
    agent_steps = sum(runners["num_agent_steps_sampled_lifetime"].values())
    return (
        runners["num_env_steps_sampled_lifetime"],
        agent_steps,
        result.get("num_updates_lifetime", 0),
    )
