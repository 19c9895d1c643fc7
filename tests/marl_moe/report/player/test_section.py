"""The section holds the policies of the run in their order, and says what it leaves out."""

import json
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest
import torch

import marl_moe
from envs import World
from marl_moe.errors import RecordError, SpecError
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.policies.base import ARCHITECTURE, NETWORKS, WEIGHTS
from marl_moe.policies.critics import load_critics
from marl_moe.policies.learned import load_policy
from marl_moe.policies.weights import write_weights
from marl_moe.report.player import section as made
from marl_moe.report.player.encoding import unpacked
from marl_moe.report.player.section import player_section
from marl_moe.report.section import Section
from marl_moe.seeds import evaluation_seed
from mechanisms import make


def test_learned_policies_come_first_then_the_best_rule_and_the_equilibrium(
    run: marl_moe.Run, section: Section
) -> None:
    shown = [policy["name"] for policy in section.data["policies"]]
    gain = run.evaluation.groupby("policy")["gain"].mean()
    rules = gain.drop(["sac", "sac_stochastic", "nash", "local"]).sort_values(ascending=False)
    assert shown[:4] == ["sac", "sac_stochastic", rules.index[0], "nash"]
    assert shown[4:] == list(rules.index[1:3])
    left_out = section.data["left_out"]
    assert left_out[0].startswith("local: no action of the world does that")
    beyond = [f"{name}: beyond the 6 policies that are shown" for name in rules.index[3:]]
    assert left_out[1:] == beyond


def test_gains_are_those_that_the_run_recorded(run: marl_moe.Run, section: Section) -> None:
    rows = run.evaluation.set_index(["policy", "episode"])["gain"]
    for episode in section.data["episodes"]:
        for policy, arrays in zip(section.data["policies"], episode["played"], strict=True):
            gain = unpacked(arrays["gain"]).astype(float).mean()
            recorded = rows[policy["name"], episode["episode"]]
            assert gain == pytest.approx(recorded, rel=1e-6)


def test_probabilities_and_q_are_those_of_the_networks_that_training_left(
    run: marl_moe.Run, section: Section
) -> None:
    job = run.jobs()[0]
    policy = load_policy(job.checkpoint, "sac")
    critics = load_critics(job.checkpoint, "sac")
    assert critics is not None
    config, mechanism = job.played.evaluated_env(), make("posted_price")
    world = World(config, 3, evaluation_seed(job.seed, 0), mechanism)
    arrays = section.data["episodes"][0]["played"][0]
    probability, q = (unpacked(arrays[name]) for name in ("probability", "q"))
    abandoning = unpacked(arrays["abandon_probability"])
    for slot in range(3):
        mask, seen = world.slot.mask[0], torch.from_numpy(world.slot.observation[0].copy())
        logits = policy.actors["shared"](seen)[0].numpy().astype(float)
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True)) * mask
        shares = odds / odds.sum(axis=-1, keepdims=True)
        found = np.concatenate(
            [np.nan_to_num(probability[slot]), abandoning[slot][:, None]], axis=-1
        )
        np.testing.assert_allclose(found, shares, atol=1e-4)
        one, other = critics.critics["shared"](seen).numpy()
        lesser = np.where(mask, np.minimum(one, other), np.nan)[:, :-1]
        np.testing.assert_allclose(q[slot], lesser, atol=1e-3, equal_nan=True)
        actions = policy.act(world.slot)
        columns = np.where(actions[0] < world.num_candidates, actions[0], -1)
        np.testing.assert_array_equal(unpacked(arrays["column"])[slot], columns)
        world.step(actions)


def test_critics_are_those_that_were_trained_not_fresh_ones(run: marl_moe.Run) -> None:
    folder = run.jobs()[0].checkpoint
    policy = load_policy(folder, "sac")
    one, again = (load_critics(folder, "sac") for _ in range(2))
    assert one is not None
    assert again is not None
    fresh = policy.network.critics(copies=2).state_dict()
    for name, value in one.critics["shared"].state_dict().items():
        assert (value == again.critics["shared"].state_dict()[name]).all()
        assert (value != fresh[name]).any()


def test_without_critics_probabilities_alone_are_told(run: marl_moe.Run, tmp_path: Path) -> None:
    for name in (ARCHITECTURE, WEIGHTS):
        copy(run.jobs()[0].checkpoint / name, tmp_path)
    assert load_critics(tmp_path, "sac") is None


def test_damaged_critics_are_named(run: marl_moe.Run, tmp_path: Path) -> None:
    for name in (ARCHITECTURE, WEIGHTS, NETWORKS):
        copy(run.jobs()[0].checkpoint / name, tmp_path)
    write_weights(tmp_path / NETWORKS, {"shared": {"critic.no": torch.zeros(1)}})
    with pytest.raises(RecordError, match="no critics of the policy beside it"):
        load_critics(tmp_path, "sac")


def test_the_data_are_json_and_small(section: Section) -> None:
    text = json.dumps(section.data, allow_nan=False)
    assert json.loads(text)["policies"][2]["name"] == section.data["policies"][2]["name"]
    assert len(text) < 150_000


def test_users_beyond_the_limit_are_left_out_and_counted(
    run: marl_moe.Run, section: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "MOST_USERS", 3)
    monkeypatch.setattr(made, "MOST_POLICIES", 1)
    cut = player_section(run.run_folder)
    assert isinstance(cut, Section)
    assert cut.data["left_out"][-1] == "users 3 to 3: the first 3 are shown"
    whole = section.data["episodes"][0]["played"][0]
    for name, packed in cut.data["episodes"][0]["played"][0].items():
        array = unpacked(whole[name])
        if name not in made.OF_EXPERTS | made.OF_WORLD:
            array = array[:, :3]
        np.testing.assert_allclose(unpacked(packed), array, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"episodes": 0}, "episodes: should be a number of 1 to 3, .* got 0"),
        ({"episodes": 4}, "1 to 3"),
        ({"episodes": True}, "got True"),
        ({"episodes": 1.0}, r"got 1\.0"),
        ({"seed": 7}, "seed: should be one of 0, got 7"),
        ({"seed": False}, "seed: should be one of 0, got False"),
        ({"point": "no"}, "point: unknown 'no'"),
    ],
)
def test_what_is_not_there_is_refused(
    run: marl_moe.Run, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        player_section(run.run_folder, **given)


def test_a_market_study_has_nothing_to_play(tmp_path: Path) -> None:
    study = {"name": "study", "kind": "market_study", "mechanism": {"name": "posted_price"}}
    begun = create_run(parse_experiment(study, "study"), tmp_path)
    told = player_section(begun)
    assert isinstance(told, str)
    assert "a market study compares no policies" in told
