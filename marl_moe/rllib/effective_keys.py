"""RLlib's keys that have an effect in our SAC, and why the others have none.

RLlib takes hundreds of keys, most of them for algorithms and runners of its own. One that nothing
reads would be set, and change nothing, in silence; so it is refused. What a key does here was read
in the source of what reads it: `algorithm.py`, `env_runner.py`, `learner.py` and the parts of RLlib
that these call; `tests/marl_moe/rllib/test_effective_keys.py` checks both sides of the line.
"""

from collections.abc import Mapping

EFFECTIVE: Mapping[str, tuple[str, ...]] = {
    "training": (
        "gamma",
        "actor_lr",
        "critic_lr",
        "alpha_lr",
        "initial_alpha",
        "target_entropy_ratio",
        "tau",
        "n_step",
        "grad_clip",
        "grad_clip_by",
        "train_batch_size_per_learner",
        "training_intensity",
        "num_steps_sampled_before_learning_starts",
        "replay_buffer_config",
        "torch_threads",
    ),
    "rl_module": ("model_config",),
    "env_runners": (
        "num_env_runners",
        "num_envs_per_env_runner",
        "rollout_fragment_length",
        "num_cpus_per_env_runner",
        "num_gpus_per_env_runner",
        "custom_resources_per_env_runner",
        "sample_timeout_s",
        "max_requests_in_flight_per_env_runner",
        "validate_env_runners_after_construction",
    ),
    "learners": (
        "num_learners",
        "num_cpus_per_learner",
        "num_gpus_per_learner",
        "custom_resources_per_learner",
        "local_gpu_idx",
    ),
    "fault_tolerance": (
        "restart_failed_env_runners",
        "ignore_env_runner_failures",
        "max_num_env_runner_restarts",
        "delay_between_env_runner_restarts_s",
        "num_consecutive_env_runner_failures_tolerance",
        "env_runner_health_probe_timeout_s",
        "env_runner_restore_timeout_s",
    ),
    "reporting": (),
    "checkpointing": ("checkpoint_frequency",),
    "debugging": ("log_level",),
}
# Why a key of a section has no effect, where no reason of its own is given below.
OF_SECTION: Mapping[str, str] = {
    "training": "the losses, optimisers and updates of sac are its own and read no such key",
    "env_runners": "the env runners of sac step whole worlds, without RLlib's episodes, connectors "
    "and filters",
    "learners": "the learners of sac take their batches from its own replay, one after another",
    "fault_tolerance": "the env runners of sac hold worlds, none of which fails by itself",
    "reporting": "an epoch of sac is one episode in every world, and its rows are the records'",
    "checkpointing": "checkpoints are those of the run, not RLlib's",
    "debugging": "neither runners nor records of sac read it",
}
OF_KEY: Mapping[str, str] = {
    "target_entropy": "the entropy is set by target_entropy_ratio",
    "target_network_update_freq": "targets move with every update by tau",
    "twin_q": "the critics are always twins",
    "q_model_config": "networks are set by rl_module.model_config",
    "policy_model_config": "networks are set by rl_module.model_config",
    "model": "networks are set by rl_module.model_config",
    "lr": "learning rates are actor_lr, critic_lr and alpha_lr",
    "optimizer": "the optimiser is Adam",
    "train_batch_size": "the batch is set by train_batch_size_per_learner",
    "minibatch_size": "the batch is set by train_batch_size_per_learner",
    "num_epochs": "the number of updates is set by training_intensity",
    "shuffle_batch_per_epoch": "batches are drawn at random from the replay",
    "store_buffer_in_checkpoints": "every checkpoint holds the replay",
    "explore": "training draws its actions, evaluation has sac and sac_stochastic",
    "min_time_s_per_iteration": "epochs would last by the clock, and no run would repeat",
}


def check_effective(section: str, keys: Mapping[str, object]) -> None:
    """Check that each key of a section has an effect in our SAC.

    Args:
        section: one of RLlib's sections.
        keys: what is set in it.

    Raises:
        ValueError: for the first that has none, with the reason.
    """
    for key in keys:
        if section in EFFECTIVE and key not in EFFECTIVE[section]:
            reason = OF_KEY.get(key, OF_SECTION.get(section))
            raise ValueError(f"{section}.{key} has no effect in sac: {reason}")
    if keys.get("grad_clip_by") is not None and keys.get("grad_clip") is None:
        raise ValueError(f"{section}.grad_clip_by has no effect without grad_clip")
