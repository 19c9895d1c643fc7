"""The replay of RLlib's stock DQN and SAC: how it is sized by a world, and checked."""

from typing import Any

from envs import WorldConfig
from marl_moe.rllib.limits import check_integers, is_number

NUM_ENVS = 4  # worlds of an env runner of the stock algorithms
UNIFORM, PRIORITIZED = REPLAY_BUFFERS = (
    "MultiAgentEpisodeReplayBuffer",
    "MultiAgentPrioritizedEpisodeReplayBuffer",
)


def size_replay(config: Any, world: WorldConfig) -> None:
    """Set an iteration of 4 episodes, learning from the second on, 200,000 agent steps of replay.

    RLlib takes all three in env steps.
    """
    iteration = NUM_ENVS * world.episode_slots
    config.min_sample_timesteps_per_iteration = iteration
    config.num_steps_sampled_before_learning_starts = iteration
    config.replay_buffer_config["capacity"] = max(2 * iteration, 200_000 // world.num_users)


def check_replay(config: Any) -> None:
    """Check the keys of the replay.

    Raises:
        ValueError: a value is impossible; the message names its key.
    """
    buffer = config.replay_buffer_config
    if buffer["type"] not in REPLAY_BUFFERS:
        raise ValueError(
            f"training.replay_buffer_config.type should be {' or '.join(REPLAY_BUFFERS)}, got "
            f"{buffer['type']!r}"
        )
    if buffer["type"] == PRIORITIZED and "beta" not in buffer:
        raise ValueError(
            "training.replay_buffer_config.beta should be given with a prioritized buffer, as 0.4"
        )
    least = (
        config.num_envs_per_env_runner
        * max(1, config.num_env_runners)
        * config.env_config["world"]["episode_slots"]
    )
    if not is_number(buffer["capacity"], int) or buffer["capacity"] < least:
        raise ValueError(
            "training.replay_buffer_config.capacity should be at least an episode of each world, "
            f"{least} env steps, got {buffer['capacity']!r}"
        )
    check_integers(config, {"num_steps_sampled_before_learning_starts": 0})
