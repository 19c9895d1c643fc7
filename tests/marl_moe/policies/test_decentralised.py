"""Policies trained by counterfactual gains, against worlds played and what is known of them."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from marl_moe.errors import SpecError
from marl_moe.experiment.run.compared_policies import compared_policy
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.policies import Policy, make
from marl_moe.policies.decentralised import Cooperative, Decentralised, Selfish
from marl_moe.seeds import tuning_seeds

USERS = 3
BUSY = WorldConfig(
    num_users=USERS,
    num_experts=3,
    episode_slots=10,
    requests=RequestConfig(num_transferred=1, num_topics=1),
    channel=ChannelConfig(bandwidth_hz=2000.0),
    experts=ExpertConfig(words_per_second=100.0, mean_competence=1.0, own_competence=(0.5, 1.0)),
)
LOADS_ALONE = replace(BUSY, experts=replace(BUSY.experts, words_per_second=None))
# Many users and few experts: who goes to one takes from all who are there.
CROWDED = replace(LOADS_ALONE, num_users=12, num_experts=3)


def world_of(config: WorldConfig, seed: int, mechanism: str = "none", worlds: int = 8) -> World:
    return World(config, worlds, seed, mechanisms.make(mechanism))


def mean_gain(policy: Policy, config: WorldConfig, mechanism: str = "none") -> float:
    world, gains = world_of(config, 7, mechanism, worlds=64), []
    while not world.done:
        gains.append(world.step(policy.act(world.slot))[1].mean())
    return float(np.mean(gains))


def trained(
    kind: type[Decentralised], config: WorldConfig, mechanism: str = "none", slots: int = 150
) -> Decentralised:
    policy = kind(np.random.default_rng(0), slots=slots, hidden=16)
    policy.train(world_of(config, 3, mechanism, worlds=32))
    return policy


def weights_of(policy: Decentralised) -> dict[str, torch.Tensor]:
    assert policy._policy is not None
    return policy._policy.actors["all"].state_dict()


@pytest.mark.parametrize(
    ("config", "mechanism"),
    [(BUSY, "none"), (BUSY, "posted_price"), (LOADS_ALONE, "none")],
    ids=["work", "priced", "loads alone"],
)
def test_counterfactual_gains_are_what_the_world_pays_when_one_user_does_otherwise(
    config: WorldConfig, mechanism: str
) -> None:
    world, rng = world_of(config, 1, mechanism), np.random.default_rng(2)
    world.step(np.zeros((8, USERS), int))  # leaves backlogs
    mask = world.slot.mask
    chosen = np.where(mask, rng.random(mask.shape), -1).argmax(axis=-1)
    own = Selfish(rng).counterfactual(world.slot, chosen)
    social = Cooperative(rng).counterfactual(world.slot, chosen)
    before = deepcopy(world).step(chosen)[1]
    rows = np.arange(len(chosen))
    for user in range(USERS):
        for action in range(mask.shape[-1]):
            otherwise = chosen.copy()
            otherwise[:, user] = action
            paid = deepcopy(world).step(otherwise)[1]
            may = mask[:, user, action]
            np.testing.assert_allclose(own[may, user, action], paid[may, user], atol=1e-4)
            added = social[:, user, action] - social[rows, user, chosen[:, user]]
            np.testing.assert_allclose(added[may], (paid - before).sum(axis=-1)[may], atol=1e-4)


def test_trained_for_the_sum_users_gain_more_than_each_for_itself_and_less_than_optimum() -> None:
    cooperative, selfish = (
        mean_gain(trained(kind, CROWDED), CROWDED) for kind in (Cooperative, Selfish)
    )
    untrained = mean_gain(Cooperative(np.random.default_rng(0)), CROWDED)
    optimum = mean_gain(make("optimum", np.random.default_rng(0)), CROWDED)
    assert untrained < selfish < cooperative < optimum


def test_training_repeats_to_the_bit_and_leaves_the_generator_of_torch_and_its_threads() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    one, other = (trained(Selfish, BUSY, "posted_price", slots=15) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    slot = world_of(BUSY, 4, "posted_price").slot
    weights, again = (weights_of(policy) for policy in (one, other))
    assert all(torch.equal(weight, again[name]) for name, weight in weights.items())
    np.testing.assert_array_equal(one.act(slot), other.act(slot))
    assert one.setting in ("slots=15 hidden=16 likeliest", "slots=15 hidden=16 drawn")
    with pytest.raises(ValueError, match="it cannot act under the mechanism 'vcg'"):
        one.act(world_of(BUSY, 4, "vcg").slot)


@pytest.mark.parametrize("value", [0, -3, 1.5, True, "many"])
@pytest.mark.parametrize("key", ["slots", "hidden"])
def test_what_is_no_number_of_slots_or_units_is_refused(key: str, value: object) -> None:
    with pytest.raises(
        ValueError, match=f"{key} should be an integer of at least 1, got {value!r}"
    ):
        make("cooperative", np.random.default_rng(0), **{key: value})


def test_evaluation_trains_it_on_seeds_apart_and_with_its_parameters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seeds: list[Any] = []

    def noted(config: WorldConfig, worlds: int, seed: int, mechanism: Any) -> World:
        seeds.append(seed)
        return World(config, worlds, seed, mechanism)

    monkeypatch.setattr("marl_moe.experiment.study.tuning.World", noted)
    given = {"name": "tiny", "kind": "train", "algorithm": None, "seeds": 1}
    entry = {"name": "selfish", "slots": 3, "hidden": 8}
    sections = {"env": CROWDED.as_dict(), "evaluation": {"policies": [entry]}}
    spec = parse_experiment(given | sections, "tiny", tmp_path)
    (given_entry,) = spec.evaluation.policies
    policy = compared_policy(given_entry, spec, "", 4, tmp_path)
    assert policy.setting.startswith("slots=3 hidden=8 ")  # type: ignore[attr-defined]
    assert seeds == [tuning_seeds(4)[0]]


def test_audits_which_do_not_train_refuse_it(tmp_path: Path) -> None:
    given = {"name": "audit", "kind": "market", "audit": {"policy": "cooperative"}}
    with pytest.raises(
        SpecError, match=r"cooperative is trained for evaluation\.policies, and not"
    ):
        parse_experiment(given, "audit", tmp_path)
