"""RLlib's stock algorithms on the world: they train, report what came of it, never leave the mask,
and come back.
"""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import mechanisms
from envs import World, WorldConfig
from envs.observation import NUM_EXPERT_FEATURES, NUM_USER_FEATURES
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.study.evaluation import evaluate
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.engine import LEARNER_COLUMNS
from marl_moe.experiment.training.engines import ENGINES
from marl_moe.experiment.training.loop import train
from marl_moe.experiment.training.rows import training_row
from marl_moe.policies.learned import LearnedPolicy
from marl_moe.policies.networks import NEVER, NetworkConfig, action_mask
from marl_moe.rllib.stock import STOCK
from marl_moe.rllib.stock_policy import StockPolicy

pytestmark = pytest.mark.usefixtures("ray_started")
Yaml = dict[str, Any]
GROUPS = {"late": [1], "early": [0]}
SMALL_BATCHES = {"ppo": {"num_epochs": 2}, "dqn": {"train_batch_size_per_learner": 16}}
ALGORITHMS = tuple(STOCK)


@dataclass(frozen=True)
class Trained:
    """A run of two iterations."""

    spec: ExperimentSpec
    rows: list[dict[str, Any]]
    folder: Path

    def policy(self) -> StockPolicy:
        assert self.spec.algorithm is not None
        policy = ENGINES[self.spec.algorithm.name].load(self.folder)
        assert isinstance(policy, StockPolicy)
        return policy


@pytest.fixture(scope="module")
def stock_spec(tiny_experiment: Yaml) -> Callable[..., ExperimentSpec]:
    """The tiny experiment with a stock algorithm: `stock_spec("ppo", policies="shared",
    **sections)`.
    """

    def build(
        name: str, policies: Any = "shared", env: Yaml | None = None, **sections: Yaml
    ) -> ExperimentSpec:
        raw = copy.deepcopy(tiny_experiment)
        small = {
            "training": SMALL_BATCHES.get(name, SMALL_BATCHES["dqn"]) | sections.pop("training", {})
        }
        model = {"rl_module": {"model_config": {"fcnet_hiddens": [16]}}}
        raw["algorithm"] = {"name": name, "policies": policies, "stop": {"training_iteration": 2}}
        raw["algorithm"] |= model | small | sections
        raw["env"] |= env or {}
        return parse_experiment(raw, "tiny")

    return build


@pytest.fixture(scope="module")
def trained(
    ray_started: None,
    stock_spec: Callable[..., ExperimentSpec],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Trained]:
    """Train once and keep: `trained("ppo", "shared", seed=0)`."""
    kept: dict[str, Trained] = {}

    def get(name: str, policies: Any = "shared", seed: int = 0, fresh: bool = False) -> Trained:
        key = f"{name} {policies} {seed}"
        if fresh or key not in kept:
            spec, folder = stock_spec(name, policies), tmp_path_factory.mktemp(name)
            kept[key] = Trained(spec, train(spec, seed, folder), folder)
        return kept[key]

    return get


@pytest.fixture
def build(stock_spec: Callable[..., ExperimentSpec]) -> Iterator[Callable[..., Any]]:
    """A built algorithm, stopped at the end: `build(name, **as of stock_spec)`."""
    built = []

    def make(name: str, **settings: Any) -> Any:
        built.append(algorithm_config(stock_spec(name, **settings), seed=0).build_algo())
        return built[-1]

    yield make
    for algorithm in built:
        algorithm.stop()


@pytest.mark.parametrize(
    "policies", ["shared", "independent", GROUPS], ids=["shared", "independent", "groups"]
)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_algorithm_trains_and_is_evaluated_with_every_grouping(
    trained: Callable[..., Trained], name: str, policies: Any
) -> None:
    run = trained(name, policies)
    # An iteration is as many env steps as 4 episodes have slots, 2 users act in each.
    assert [(row["epoch"], row["env_steps"], row["agent_steps"]) for row in run.rows] == [
        (1, 40, 80),
        (2, 80, 160),
    ]
    for row in run.rows:
        has = {column for column in LEARNER_COLUMNS if column in ENGINES[name].learner_metrics}
        assert {column for column in LEARNER_COLUMNS if np.isfinite(row[column])} == has
        for column in (
            "gain",
            "utility",
            "qos",
            "charge",
            "energy_j",
            "unit_price",
            "participation",
        ):
            assert np.isfinite(row[column])
        assert row["rejected"] == 0
        assert row["platform_balance"] == pytest.approx(0)
    policy = run.policy()
    assert all(
        weight.isfinite().all()
        for module in policy.modules.values()
        for weight in module.parameters()
    )
    for acting, called in (
        (policy, name),
        (policy.stochastic(np.random.default_rng(0)), f"{name}_stochastic"),
    ):
        scores, market, _ = evaluate(
            acting, run.spec.env, mechanisms.make("posted_price"), 0, episodes=3
        )
        assert scores["policy"].tolist() == [called] * 3
        assert np.isfinite(scores["gain"]).all()
        assert (scores["rejected"] == 0).all()
        assert len(market) == 3 * 2 * 6


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_seed_repeats_rows_and_weights_and_another_does_not(
    trained: Callable[..., Trained], name: str
) -> None:
    first, again, other = trained(name), trained(name, fresh=True), trained(name, seed=1)

    def facts(run: Trained) -> list[dict[str, str]]:
        return [
            {key: repr(value) for key, value in row.items() if key not in ("seconds", "seed")}
            for row in run.rows
        ]

    assert facts(first) == facts(again)
    assert facts(first) != facts(other)
    weights = [(run.folder / "policy.safetensors").read_bytes() for run in (first, again, other)]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_metrics_are_the_sums_of_what_the_runner_collected(build: Callable[..., Any]) -> None:
    algorithm = build("ppo", env={"episode_slots": 5})
    runner = algorithm.env_runner
    episodes = runner.sample() + runner.sample()
    metrics = {
        name: value.peek() for name, value in runner.get_metrics().items() if hasattr(value, "peek")
    }
    reward = sum(
        sum(one.get_rewards()) for episode in episodes for one in episode.agent_episodes.values()
    )
    assert metrics["num_slots"] == sum(episode.env_steps() for episode in episodes)
    assert metrics["num_agent_slots"] == sum(episode.agent_steps() for episode in episodes)
    assert metrics["gain"] == pytest.approx(reward)
    assert 0 < metrics["participation"] < metrics["num_slots"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_updates_are_counted_as_the_optimisers_count_them(
    build: Callable[..., Any], name: str
) -> None:
    algorithm = build(name, policies=GROUPS)
    for _ in range(2):
        row = training_row(algorithm.train(), algorithm.config, 0, ENGINES[name], 1, 0.0, np.nan)
    optimisers = algorithm.learner_group._learner._optimizer_parameters
    steps = {int(state["step"]) for optimiser in optimisers for state in optimiser.state.values()}
    assert steps == {row["updates"]}
    assert row["updates"] > 1


def test_a_callback_of_the_user_is_called_beside_ours(
    stock_spec: Callable[..., ExperimentSpec],
) -> None:
    users = {"callbacks_class": "ray.rllib.callbacks.callbacks.RLlibCallback"}
    config = algorithm_config(stock_spec("ppo", callbacks=users), seed=0)
    assert [one.__name__ for one in config.callbacks_class] == ["WorldMetrics", "RLlibCallback"]


@pytest.mark.parametrize("name", ["dqn", "rllib_sac"])
def test_replay_is_seeded_by_the_run(build: Callable[..., Any], name: str) -> None:
    draws = [build(name).local_replay_buffer.rng.random(3).tolist() for _ in range(2)]
    assert draws[0] == draws[1]


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("policies", ["shared", GROUPS], ids=["shared", "groups"])
def test_each_user_does_what_its_own_module_finds_best_in_any_number_of_worlds(
    trained: Callable[..., Trained], name: str, policies: Any
) -> None:
    run = trained(name, policies)
    policy = run.policy()
    world = World(run.spec.env, num_worlds=5, seed=3, mechanism=mechanisms.make("posted_price"))
    module_of = {user: module for module, users in policy.module_users.items() for user in users}
    while not world.done:
        actions = policy.act(world.slot)
        for n, u in np.ndindex(5, 2):
            one = {"obs": torch.from_numpy(world.slot.observation[n, u : u + 1])}
            module = policy.modules[module_of[u]]
            with torch.no_grad():
                scores = (
                    module.compute_q_values(one)["qf_preds"]
                    if name == "dqn"
                    else module.forward_exploration(one)["action_dist_inputs"]
                )
            assert actions[n, u] == scores[0].argmax()
            assert world.slot.mask[n, u, actions[n, u]]
        world.step(actions)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_masked_actions_are_never_drawn_though_the_networks_favour_them(
    patchy_world: WorldConfig, name: str
) -> None:
    config_class = STOCK[name]
    extras = {"twin_q": True, "dueling": False, "double_q": True, "num_atoms": 1, "epsilon": 1.0}
    torch.manual_seed(0)
    module = config_class.build_module(
        5,
        {
            "fcnet_hiddens": [4],
            "allow_abandon": True,
            "num_expert_features": NUM_EXPERT_FEATURES,
            **extras,
        },
    )
    head = module.af if name == "dqn" else module.pi
    with torch.no_grad():
        for parameter in head.parameters():
            parameter *= 50
    policy = StockPolicy(
        name, {"shared": module}, {"shared": [0, 1, 2]}, 5, 0, np.random.default_rng(0)
    )
    world = World(patchy_world, num_worlds=100, seed=0)
    chosen = set()
    while not world.done:
        actions = policy.act(world.slot)
        assert np.take_along_axis(world.slot.mask, actions[..., None], axis=-1).all()
        chosen |= set(actions.ravel().tolist())
        world.step(actions)
    assert len(chosen) > 2


def test_stochastic_dqn_explores_as_at_the_end_of_its_training(patchy_world: WorldConfig) -> None:
    model = {
        "fcnet_hiddens": [4],
        "allow_abandon": True,
        "num_expert_features": NUM_EXPERT_FEATURES,
    }
    model |= {"dueling": False, "double_q": True, "num_atoms": 1}
    module = STOCK["dqn"].build_module(5, model | {"epsilon": [[0, 1.0], [100, 0.2]]})
    world = World(patchy_world, num_worlds=4000, seed=0)
    allowed = world.slot.mask.sum(axis=-1)
    for env_steps, epsilon in ((0, 1.0), (50, 0.6), (1000, 0.2)):
        policy = StockPolicy("dqn", {"shared": module}, {"shared": [0, 1, 2]}, 5, env_steps)
        differs = policy.stochastic(np.random.default_rng(1)).act(world.slot) != policy.act(
            world.slot
        )
        expected = epsilon * (1 - 1 / allowed)
        assert differs.mean() == pytest.approx(expected.mean(), abs=0.02)


def test_sacs_losses_stay_finite_though_probabilities_round_to_zero(
    build: Callable[..., Any],
) -> None:
    learner = build("rllib_sac").learner_group._learner
    module = learner.module["shared"].unwrapped()
    with torch.no_grad():
        for parameter in module.pi.parameters():
            parameter *= 1e4
    seen = torch.zeros(8, module.observation_space.shape[0])
    seen[4:, NUM_USER_FEATURES::NUM_EXPERT_FEATURES] = (
        1  # all experts may be chosen in half of the rows
    )
    seen.requires_grad_()
    output = module.forward_train({"obs": seen, "new_obs": seen})
    for suffix in ("", "_next"):
        probabilities, logarithms = (
            output[f"action_probs{suffix}"],
            output[f"action_log_probs{suffix}"],
        )
        assert (probabilities[~action_mask(seen, allow_abandon=True)] == 0).all()
        assert (probabilities == 0).sum() > 4 * 6
        (probabilities * logarithms).sum().backward(retain_graph=True)
        assert logarithms.min() >= 2 * NEVER
    gradients = [parameter.grad for parameter in module.pi.parameters()]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_sac_with_our_pointer_network_trains_all_of_it_and_acts_as_the_same_weights_in_our_network(
    stock_spec: Callable[..., ExperimentSpec], tmp_path: Path
) -> None:
    model = {"model_config": {"network": "pointer", "hidden": 8}}
    spec = stock_spec("rllib_sac", rl_module=model)
    algorithm = algorithm_config(spec, seed=0).build_algo()
    module = algorithm.learner_group._learner.module["shared"].unwrapped()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for _ in range(2):
        algorithm.train()
    after = module.state_dict()
    algorithm.stop()
    # pi, qf, qf_twin and the targets of both critics: five networks of the same parameters, and
    # none stands still.
    network = NetworkConfig(num_experts=6, network="pointer", hidden=8).build(copies=1)
    assert len(after) == 5 * len(network.state_dict())
    assert not [name for name, value in after.items() if torch.equal(value, before[name])]
    assert not torch.equal(
        after["qf.network.expert_in.weight"], after["qf_twin.network.expert_in.weight"]
    )

    train(spec, 0, tmp_path)
    assert spec.algorithm is not None
    policy = ENGINES[spec.algorithm.name].load(tmp_path)
    weights = load_file(tmp_path / "policy.safetensors")
    prefix = "shared/pi.network."
    network.load_state_dict({name.removeprefix(prefix): weight for name, weight in weights.items()})
    ours = LearnedPolicy("sac", {"shared": network}, NetworkConfig(6, hidden=8), {"shared": [0, 1]})
    world = World(spec.env, num_worlds=5, seed=3, mechanism=mechanisms.make("posted_price"))
    while not world.done:
        actions = policy.act(world.slot)
        assert np.array_equal(actions, ours.act(world.slot))
        world.step(actions)


def test_a_world_of_another_size_is_refused(trained: Callable[..., Trained]) -> None:
    with pytest.raises(ValueError, match="ppo: trained with 6 experts, it cannot act among 7"):
        trained("ppo").policy().act(World(WorldConfig(num_users=2, num_experts=7)).slot)
    with pytest.raises(ValueError, match="its modules act for 2 users, the world has 3"):
        trained("ppo", GROUPS).policy().act(World(WorldConfig(num_users=3, num_experts=6)).slot)


def test_a_shared_policy_acts_for_any_number_of_users(trained: Callable[..., Trained]) -> None:
    world = World(WorldConfig(num_users=5, num_experts=6), num_worlds=2)
    assert trained("ppo").policy().act(world.slot).shape == (2, 5)


def test_what_is_saved_says_what_it_is(trained: Callable[..., Trained]) -> None:
    run = trained("dqn", GROUPS)
    saved = json.loads((run.folder / "policy.json").read_text())
    assert (saved["algorithm"], saved["module_users"], saved["env_steps"]) == ("dqn", GROUPS, 80)
    assert saved["model_config"]["fcnet_hiddens"] == [16]


def test_sections_arrive_at_rllib_and_the_defaults_are_the_documented_ones(
    stock_spec: Callable[..., ExperimentSpec],
) -> None:
    sections = {
        "env_runners": {"num_envs_per_env_runner": 3},
        "training": {"gamma": 0.5, "torch_threads": 2},
    }
    for name in ALGORITHMS:
        config = algorithm_config(stock_spec(name, **copy.deepcopy(sections)), seed=7)
        assert (
            config.num_envs_per_env_runner,
            config.gamma,
            config.torch_threads,
            config.seed,
        ) == (3, 0.5, 2, 7)
        assert config.env_config["seed"] == 7
        assert config.min_time_s_per_iteration == 0
    sac = algorithm_config(stock_spec("rllib_sac", training={"target_entropy": "auto"}), seed=0)
    assert sac.target_entropy == pytest.approx(0.1 * log(7))


@pytest.mark.parametrize(
    ("name", "section", "key", "value", "said"),
    [
        (
            "ppo",
            "training",
            "clip_parm",
            0.2,
            "algorithm.training.clip_parm: unknown 'clip_parm'; did you mean 'clip_param'?",
        ),
        (
            "dqn",
            "training",
            "epsilom",
            0.2,
            "algorithm.training.epsilom: unknown 'epsilom'; did you mean 'epsilon'?",
        ),
        ("rllib_sac", "training", "initial_alpa", 1, "did you mean 'initial_alpha'?"),
        ("ppo", "env_runners", "num_env_runner", 1, "did you mean 'num_env_runners'?"),
        (
            "ppo",
            "rl_module",
            "model_config",
            {"fcnet_hidden": [8]},
            "did you mean 'fcnet_hiddens'?",
        ),
        (
            "ppo",
            "rl_module",
            "model_config",
            {"fcnet_activation": "rely"},
            "rl_module.model_config: ",
        ),
        (
            "ppo",
            "rl_module",
            "model_config",
            {"use_lstm": True},
            "rl_module.model_config.use_lstm should be false",
        ),
        ("ppo", "rl_module", "model_config", 8, "model_config: should hold fcnet_hiddens"),
        ("ppo", "rl_module", "model_config", {"network": "pointer"}, "unknown 'network'"),
        (
            "rllib_sac",
            "rl_module",
            "model_config",
            {"network": "ponter"},
            "network should be 'pointer' or 'mlp'",
        ),
        (
            "rllib_sac",
            "rl_module",
            "model_config",
            {"hidden": 8},
            "should hold network (and hidden), or else RLlib's",
        ),
        (
            "rllib_sac",
            "rl_module",
            "model_config",
            {"network": "pointer", "fcnet_hiddens": [8]},
            "or else RLlib's own keys, got fcnet_hiddens, network",
        ),
        ("ppo", "debugging", "seed", 3, "seeds are set by the key 'seeds'"),
        ("ppo", "training", "lr", -1, "training.lr should be above 0, got -1"),
        ("ppo", "training", "gamma", 2, "training.gamma should lie in 0..1, got 2"),
        ("ppo", "training", "minibatch_size", 1000, "minibatch_size"),
        (
            "dqn",
            "training",
            "train_batch_size_per_learner",
            0,
            "should be an integer of at least 1, got 0",
        ),
        (
            "dqn",
            "training",
            "replay_buffer_config",
            {"capacity": 3},
            "at least an episode of each world, 40 env steps",
        ),
        (
            "dqn",
            "training",
            "replay_buffer_config",
            {"type": "Ring"},
            "replay_buffer_config.type should be",
        ),
        (
            "rllib_sac",
            "training",
            "target_entropy",
            "high",
            "target_entropy should be a number or auto, got 'high'",
        ),
        ("rllib_sac", "training", "twin_q", False, "training.twin_q should be true"),
    ],
)
def test_what_cannot_be_is_named_by_its_key_and_the_nearest(
    stock_spec: Callable[..., ExperimentSpec],
    name: str,
    section: str,
    key: str,
    value: Any,
    said: str,
) -> None:
    with pytest.raises(SpecError) as refusal:
        algorithm_config(stock_spec(name, **{section: {key: value}}), seed=0)
    assert said in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
