"""Fixtures of the package and of what works with it: one Ray, and an experiment of seconds."""

import logging
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml

from envs import ExpertConfig, RequestConfig, WorldConfig

BENCHMARKS = Path(__file__).with_name("benchmarks")
Yaml = dict[str, Any]

# No example is timed: other processes may have the cores. `--hypothesis-profile` and
# HYPOTHESIS_PROFILE take another.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=10_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "untimed"))


@pytest.fixture(scope="session")
def without_training() -> str:
    """Return Python after which what the extra `train` brings is as if it were not installed."""
    return """
from importlib.machinery import PathFinder
ABSENT = {"plotly", "ray", "safetensors", "tensorboardX", "torch", "tree"}
find_spec = PathFinder.find_spec
def find_others(name, path=None, target=None):
    return None if name.partition(".")[0] in ABSENT else find_spec(name, path, target)
PathFinder.find_spec = find_others
"""


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sign the code of runs with a key of these tests, and leave the user's own alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _reports_left_out() -> Iterator[None]:
    """Let runs write no report, which is 5 MB: tests of the report write their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marl_moe.terminal.finish.reported", lambda folder: True)
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_heard() -> Iterator[None]:
    """Hear Ctrl-C, here and in processes begun here: a shell's background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def ray_started() -> Iterator[None]:
    """Start Ray with room for remote runners, whatever the machine has."""
    import ray

    from marl_moe.experiment.training import cluster

    cluster.quieten_ray()
    ray.shutdown()  # a smaller one, where a run has started it without asking for this
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run seeds and sweep points one after another in this process; the results are the same."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


@pytest.fixture(scope="session")
def tiny_experiment() -> dict[str, Any]:
    """Return a whole experiment that runs in a second or two."""
    return yaml.safe_load(
        """
        name: tiny
        seeds: 2
        env:
          num_users: 2
          num_experts: 6
          episode_slots: 10
          requests: {num_topics: 2, num_transferred: 1}
          experts: {unit_cost: [0.0, 0.5]}  # so low that edge devices serve at most prices
        mechanism: {name: posted_price}
        algorithm:
          name: sac
          stop: {training_iteration: 2}
          env_runners: {num_envs_per_env_runner: 2, rollout_fragment_length: 5}
          rl_module: {model_config: {network: pointer, hidden: 8}}
          training:  # a policy that transfers, after few updates
            train_batch_size_per_learner: 16
            num_steps_sampled_before_learning_starts: 20
            actor_lr: 0.03
            critic_lr: 0.03
        evaluation: {episodes: 3, policies: [local, random, abandon]}
        """
    )


@pytest.fixture(scope="session")
def small_world() -> WorldConfig:
    """Return 2 users, 6 experts of 2 topics, 10 slots; users transfer in every slot."""
    return WorldConfig(
        num_users=2,
        num_experts=6,
        episode_slots=10,
        requests=RequestConfig(num_topics=2, num_transferred=1),
        experts=ExpertConfig(words_per_second=None),
    )


@pytest.fixture(scope="session")
def sac_config() -> Callable[..., Any]:
    """Return a maker of small WorldSacConfigs: `sac_config(world, seed=0, **training keys)`."""

    def build(
        world: WorldConfig,
        *,
        users: dict[str, list[int]] | None = None,
        network: Yaml | None = None,
        mechanism: str = "none",
        seed: int = 0,
        num_envs: int = 3,
        fragment: int = 5,
        runners: int = 0,
        learners: int = 0,
        **training: Any,
    ) -> Any:
        from marl_moe.rllib.algorithm import WorldSac

        everybody = {"shared": list(range(world.num_users))}
        config = WorldSac.get_default_config().world(
            world, {"name": mechanism}, users or everybody, {"hidden": 8} | (network or {})
        )
        defaults = {
            "train_batch_size_per_learner": 16,
            "num_steps_sampled_before_learning_starts": 0,
        }
        config.training(**(defaults | training))
        config.env_runners(
            num_envs_per_env_runner=num_envs,
            rollout_fragment_length=fragment,
            num_env_runners=runners,
        )
        config.learners(num_learners=learners)
        return config.debugging(seed=seed)

    return build


@pytest.fixture(scope="session")
def read_scalars() -> Callable[[Path], list[tuple[str, int, float]]]:
    """Return a reader of (name, step, value) of each scalar that TensorBoard shows of a folder.

    As its event accumulator does: files in the order of their names, each to its first torn record;
    the start of a session drops what was told of its step and later ones.
    """

    from tensorboardX.proto.event_pb2 import Event, SessionLog

    def read(folder: Path) -> list[tuple[str, int, float]]:
        shown: list[tuple[str, int, float]] = []
        for file in sorted(folder.glob("events.out.tfevents.*")):
            data = file.read_bytes()
            while len(data) >= 12:
                (length,) = struct.unpack("<Q", data[:8])
                if len(data) < 16 + length:
                    break
                event = Event.FromString(data[12 : 12 + length])
                if event.session_log.status == SessionLog.START:
                    shown = [scalar for scalar in shown if scalar[1] < event.step]
                shown += [
                    (value.tag, event.step, value.simple_value) for value in event.summary.value
                ]
                data = data[16 + length :]
        return shown

    return read


@pytest.fixture(scope="module")
def benchmarks_importable() -> Iterator[None]:
    """Make the modules of `tests/benchmarks` importable by their plain names, then forget them."""
    import ray
    import torch

    ran = ray.is_initialized()
    torch.set_num_threads(1)
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))
    for path in BENCHMARKS.glob("[!_]*.py"):  # not __main__, which is that of pytest
        sys.modules.pop(path.stem, None)
    if not ran:
        ray.shutdown()


@pytest.fixture(scope="module")
def setting(benchmarks_importable: None) -> Any:
    """Return a setting of a run that ends at once."""
    from time_to_quality import Setting

    return Setting(
        learning_rate=1e-3,
        gamma=0.5,
        target_entropy_ratio=0.1,
        replay_ratio=2,
        num_envs=2,
        warm_up=50,
    )
