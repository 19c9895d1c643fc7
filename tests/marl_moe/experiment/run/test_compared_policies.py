"""Policies with parameters, of other runs and of a file, compared by the command."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from envs import World
from marl_moe.cli import app
from marl_moe.text.assembly import network_of

MINE = """
import numpy as np


class Favourite:
    def __init__(self, rng, expert=0):
        self.rng, self.expert = rng, expert

    def act(self, slot):
        return np.full((slot.num_worlds, slot.num_users), self.expert)


class Drawing(Favourite):
    name = "drawing"

    def act(self, slot):
        return self.rng.integers(slot.num_candidates + 1, size=slot.mask.shape[:2])


class TooMany:
    def act(self, slot):
        return np.full((slot.num_worlds, slot.num_users), slot.num_candidates + 1)


class Fractions:
    def act(self, slot):
        return np.zeros((slot.num_worlds, slot.num_users))


class WithoutUsers:
    def act(self, slot):
        return np.zeros(slot.num_worlds, int)


class Failing:
    def act(self, slot):
        return slot.no_such_thing


class Empty:
    pass
"""
Compare = Callable[..., Result]


@pytest.fixture
def compare(tiny_experiment: dict[str, Any], tmp_path: Path) -> Compare:
    """Run an experiment that compares entries and trains nothing."""
    (tmp_path / "mine.py").write_text(MINE)

    def run(*entries: Any, **sections: Any) -> Result:
        experiment = tiny_experiment | {"name": "compared", "algorithm": None, "figures": []}
        experiment |= {"evaluation": {"episodes": 3, "policies": list(entries)}} | sections
        (tmp_path / "compared.yaml").write_text(yaml.safe_dump(experiment))
        arguments = ["run", str(tmp_path / "compared.yaml"), "--out", str(tmp_path / "out")]
        return CliRunner().invoke(app, arguments)

    return run


def gains(folder: Path) -> pd.Series:
    table = pd.read_parquet(folder / "evaluation.parquet")
    return table.set_index(["policy", "seed", "episode"])["gain"]


@pytest.mark.usefixtures("one_core")
def test_entries_of_all_kinds_are_played_in_the_same_worlds(
    compare: Compare, finished: Any, tmp_path: Path
) -> None:
    done = compare(
        "greedy",
        {"name": "better_response", "response_probability": 1.0, "as": "Better [all]"},
        {"run": str(finished.folder), "policy": "sac", "as": "SAC, paid"},
        {"run": str(finished.folder), "policy": "sac", "seed": 1, "as": "SAC of seed 1"},
        {"import": "mine.py:Favourite", "expert": 2, "as": "Third"},
        {"import": "mine.py:Drawing"},
    )
    assert done.exit_code == 0, done.output
    assert "Better [all]" in done.stdout
    found = gains(tmp_path / "out/compared")
    names = ["greedy", "Better [all]", "SAC, paid", "SAC of seed 1", "Third", "drawing"]
    assert list(dict.fromkeys(found.index.get_level_values("policy"))) == names
    trained = gains(finished.folder)
    pd.testing.assert_series_equal(found["SAC, paid"], trained["sac"])
    pd.testing.assert_series_equal(found["SAC of seed 1"][[1]], trained["sac"][[1]])
    assert (found["SAC of seed 1"][0] != trained["sac"][0]).any()


@pytest.mark.usefixtures("one_core")
def test_a_run_goes_on_without_the_run_that_trained_its_policies(
    compare: Compare, finished: Any, tmp_path: Path
) -> None:
    source = tmp_path / "elsewhere"
    shutil.copytree(finished.folder, source)
    done = compare({"run": str(source), "policy": "sac", "as": "SAC, paid"}, "random")
    assert done.exit_code == 0, done.output
    shutil.rmtree(source)
    run = tmp_path / "out/compared"
    before = gains(run)
    (run / "evaluation.parquet").unlink()
    resumed = CliRunner().invoke(app, ["resume", str(run)])
    assert resumed.exit_code == 0, resumed.output
    pd.testing.assert_series_equal(gains(run), before)
    played = CliRunner().invoke(app, ["evaluate", str(run), "--policy", "SAC, paid"])
    assert played.exit_code == 0, played.output
    assert f"{before['SAC, paid'].groupby('seed').mean().mean():.3f} [" in played.stdout
    origin = json.loads((run / "policies/SAC, paid/seed_1/origin.json").read_text())
    assert (origin["run"], origin["seed"], origin["policy"]) == (str(source), 1, "sac")


@pytest.mark.usefixtures("one_core")
def test_a_copy_that_was_changed_is_refused(
    compare: Compare, finished: Any, tmp_path: Path
) -> None:
    assert compare({"run": str(finished.folder), "policy": "sac"}).exit_code == 0
    copy = tmp_path / "out/compared/policies/sac/seed_0/policy.json"
    copy.write_text(copy.read_text() + " ")
    played = CliRunner().invoke(app, ["evaluate", str(tmp_path / "out/compared")])
    assert played.exit_code == 2
    assert "policy.json: not the policy that was copied" in played.stderr


def test_policies_of_files_and_other_runs_are_played_with_seeds_side_by_side(
    compare: Compare, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    entries = [
        {"import": "mine.py:Drawing"},
        {"run": str(finished.folder), "policy": "sac_stochastic", "as": "drawn"},
    ]
    assert compare(*entries).exit_code == 0
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    again = compare(*entries, name="again")
    assert again.exit_code == 0, again.output
    pd.testing.assert_series_equal(gains(tmp_path / "out/compared"), gains(tmp_path / "out/again"))


def run_refused(compare: Compare, tmp_path: Path, *entries: Any, **sections: Any) -> str:
    refused = compare(*entries, **sections)
    assert refused.exit_code == 2, refused.output
    assert not (tmp_path / "out").exists()  # nothing was written, let alone trained
    assert len(refused.stderr.splitlines()) == 1
    return refused.stderr


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"run": "tinny"}, "'SAC, paid': run: tinny: no run folder; did you mean 'tiny'?"),
        ({"policy": "sacc"}, "policy: tiny: unknown 'sacc'; did you mean 'sac'?"),
        ({"policy": "greedy"}, "policy: tiny: unknown 'greedy'"),
        ({"seed": 7}, "sac was not trained with seed 7; the seeds trained there are 0, 1"),
        ({"point": "a=1"}, "point: tiny: unknown 'a=1'"),
    ],
)
def test_a_policy_that_no_run_trained_is_refused_before_anything_is_written(
    compare: Compare,
    finished: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
    told: str,
) -> None:
    monkeypatch.chdir(finished.folder.parent)
    entry = {"run": finished.folder.name, "policy": "sac", "as": "SAC, paid"} | changed
    assert told in run_refused(compare, tmp_path, "random", entry)


def test_a_seed_that_was_not_trained_there_is_named(
    compare: Compare, finished: Any, tmp_path: Path
) -> None:
    entry = {"run": str(finished.folder), "policy": "sac"}
    told = run_refused(compare, tmp_path, entry, seeds=3)
    assert "sac was not trained with seed 2; the seeds trained there are 0, 1" in told


def test_a_policy_that_cannot_act_in_the_evaluated_worlds_is_refused(
    compare: Compare, finished: Any, tmp_path: Path
) -> None:
    entry = {"run": str(finished.folder), "policy": "sac"}
    told = run_refused(compare, tmp_path, entry, mechanism={"name": "vcg"})
    assert "it cannot act under the mechanism 'vcg'" in told


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            {"import": "mien.py:Favourite"},
            "mien.py: no such file beside the experiment; did you mean 'mine.py'?",
        ),
        ({"import": "mine.py:Favorite"}, "unknown 'Favorite'; did you mean 'Favourite'?"),
        ({"import": "mine.py:Empty"}, "mine.py:Empty: should be a class with act(slot)"),
        ({"import": "no_such_package.module:Mine"}, "No module named 'no_such_package'"),
        (
            {"import": "mine.py:Favourite", "expret": 3},
            "has no parameter 'expret'; did you mean 'expert'?",
        ),
        ({"import": "mine.py:TooMany"}, "actions should be in 0..6, got 7"),
        ({"import": "mine.py:Fractions"}, "actions should be integers, got float64"),
        ({"import": "mine.py:WithoutUsers"}, "should have shape (2, 2) (worlds, users), got (2,)"),
        (
            {"import": "mine.py:Failing"},
            "AttributeError: 'Slot' object has no attribute 'no_such_thing' (mine.py, line ",
        ),
    ],
)
def test_a_class_that_is_no_policy_is_refused_before_anything_is_written(
    compare: Compare, tmp_path: Path, entry: dict[str, Any], told: str
) -> None:
    assert told in run_refused(compare, tmp_path, entry)


@pytest.mark.usefixtures("one_core")
def test_of_several_sweep_points_the_one_of_the_same_settings_is_taken(
    compare: Compare, tiny_experiment: dict[str, Any], tmp_path: Path
) -> None:
    swept = tiny_experiment | {"seeds": 1, "sweep": {"env": {"num_users": [1, 2]}}}
    (tmp_path / "swept.yaml").write_text(yaml.safe_dump(swept | {"name": "swept"}))
    arguments = ["run", str(tmp_path / "swept.yaml"), "--out", str(tmp_path / "trained")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    entry = {"run": str(tmp_path / "trained/swept"), "policy": "sac"}
    told = run_refused(compare, tmp_path, entry, seeds=1)
    assert "say which: env.num_users=1, env.num_users=2" in told
    assert compare(entry, seeds=1, sweep={"env": {"num_users": [2, 1]}}).exit_code == 0
    origins = tmp_path / "out/compared/policies/sac"
    for users in (1, 2):
        label = f"env.num_users={users}"
        origin = json.loads((origins / label / "seed_0/origin.json").read_text())
        assert origin["point"] == label


@pytest.mark.usefixtures("one_core")
def test_a_prompt_is_sent_by_a_policy_of_another_run(
    compare: Compare, finished: Any, tmp_path: Path
) -> None:
    assert compare({"run": str(finished.folder), "policy": "sac", "as": "SAC"}).exit_code == 0
    network = network_of(tmp_path / "out/compared", None, "SAC", num_topics=2)
    actions = network.policy.act(World(network.world, mechanism=network.mechanism).slot)
    assert network.policy.name == "SAC"
    assert actions.shape == (1, 2)
