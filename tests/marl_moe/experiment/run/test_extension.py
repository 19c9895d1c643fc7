"""Runs whose experiment was edited, and runs that are extended: the same as if begun so."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

import marl_moe
from marl_moe.cli import app
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.sitting import begin_sitting
from marl_moe.experiment.spec.extension import Extension
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.checkpoint import CHECKPOINT

Run = Callable[..., Path]
TABLES = ("training", "evaluation", "market", "market_users")
WEIGHTS = "checkpoints/seed_{}/policy.safetensors"


def marl_moe_(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def done(
    tiny_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, ray_started: None
) -> Run:
    """Do a run of one seed, one job after another; keys of `algorithm.stop` and sections differ."""

    def do(stop: dict[str, Any], **sections: Any) -> Path:
        algorithm = tiny_experiment["algorithm"] | {"stop": stop}
        plain = tiny_experiment | {"seeds": 1, "algorithm": algorithm, "figures": []} | sections
        begun = create_run(parse_experiment(plain, "tiny"), tmp_path_factory.mktemp("runs"))
        return continue_run(begun).folder

    return do


@pytest.fixture(scope="module")
def short_run(done: Run) -> Path:
    return done({"training_iteration": 2, "keep_checkpoint": True})


@pytest.fixture
def short(short_run: Path, tmp_path: Path) -> Path:
    """A copy of a run of one seed, two epochs and three policies that keeps its checkpoint."""
    return shutil.copytree(short_run, tmp_path / "tiny")


@pytest.fixture(scope="module")
def long_run(done: Run) -> Path:
    """A run of two seeds, four epochs and four policies."""
    evaluation = {"episodes": 5, "policies": ["local", "random", "abandon", "greedy"]}
    stop = {"training_iteration": 4, "keep_checkpoint": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        return done(stop, seeds=2, evaluation=evaluation)


def assert_same(folder: Path, expected: Path) -> None:
    """Assert equal tables, but for the clock's columns, and equal weights."""
    for name in TABLES:
        ours, theirs = (pd.read_parquet(run / f"{name}.parquet") for run in (folder, expected))
        clock = [column for column in theirs if "seconds" in column]
        pd.testing.assert_frame_equal(ours.drop(columns=clock), theirs.drop(columns=clock))
    for seed in theirs["seed"].unique():
        ours, theirs = ((run / WEIGHTS.format(seed)).read_bytes() for run in (folder, expected))
        assert ours == theirs


def edit(folder: Path, key: str, value: Any) -> None:
    path = folder / "experiment.yaml"
    experiment = yaml.safe_load(path.read_text())
    *parents, last = key.split(".")
    section = experiment
    for parent in parents:
        section = section[parent]
    section[last] = value
    path.write_text(yaml.safe_dump(experiment))


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("algorithm.stop.training_iteration", 5, "extend it with marl-moe resume {} --epochs 5"),
        ("seeds", 3, "extend it with marl-moe resume {} --seeds 3"),
        ("evaluation.episodes", 4, "extend it with marl-moe resume {} --episodes 4"),
        ("evaluation.policies", ["local"], "add to them with marl-moe resume {} --policies"),
        ("env.num_users", 3, "begin a new run"),
        ("env.requests.num_topics", 3, "begin a new run"),
        ("mechanism.name", "none", "begin a new run"),
        ("mechanism.price", 1.5, "begin a new run"),
        ("algorithm.training.gamma", 0.1, "begin a new run"),
        ("sweep", {"env.num_users": [2, 3]}, "begin a new run"),
        ("name", "other", "begin a new run"),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["resume", "evaluate"])
def test_an_experiment_that_was_edited_since_is_refused_by_its_key(
    short: Path, command: str, key: str, value: Any, remedy: str
) -> None:
    edit(short, key, value)
    before = {path: path.read_bytes() for path in short.rglob("*") if path.is_file()}
    result = marl_moe_(command, short)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{short / 'experiment.yaml'}: {key}")
    assert line.endswith(f"put that back, or {remedy.format(short)}")
    assert before == {path: path.read_bytes() for path in short.rglob("*") if path.is_file()}


def test_what_records_do_not_depend_on_may_be_edited(short: Path) -> None:
    edit(short, "figures", ["reward_curves"])
    edit(short, "cluster.max_concurrent_trials", 1)
    assert marl_moe_("resume", short).exit_code == 0


@pytest.mark.usefixtures("one_core")
def test_a_run_that_is_extended_equals_one_begun_so(short: Path, long_run: Path) -> None:
    kept: list[int] = []
    extension = Extension(epochs=4, seeds=2, episodes=5, policies=["greedy"])
    run = RunFolder.read(short, extension=extension)
    begin_sitting(run, extension)
    continue_run(run, Progress(on_kept=kept.append))
    assert kept == [2, 0]  # the first seed went on, the second is new
    assert_same(short, long_run)
    ours, theirs = ((path / "experiment.yaml").read_text() for path in (short, long_run))
    assert ours == theirs
    told = json.loads((short / "environment.json").read_text())
    assert told["seeds"] == [0, 1]
    assert (
        told["experiment"] == json.loads((long_run / "environment.json").read_text())["experiment"]
    )
    assert len(told["resumed"]) == 1
    assert not RunFolder.read(short).jobs_left()


@pytest.mark.usefixtures("one_core")
def test_without_its_checkpoint_a_seed_begins_again_to_the_same_weights(
    short: Path, long_run: Path
) -> None:
    (short / "checkpoints/seed_0" / CHECKPOINT).unlink()
    result = marl_moe_(
        "resume", short, "--epochs", "4", "--seeds", "2", "--episodes", "5", "--policies", "greedy"
    )
    assert result.exit_code == 0, result.output
    assert_same(short, long_run)


def test_policies_are_added_without_training_again(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "marl_moe.experiment.run.training_job.train", lambda *_: pytest.fail("trained again")
    )
    before = pd.read_parquet(short / "evaluation.parquet")
    run = marl_moe.load(short)
    added = ["greedy", {"name": "better_response", "as": "mine"}]
    after = run.resume(policies=added, progress=False).evaluation
    assert after["policy"].unique().tolist() == [*before["policy"].unique(), "greedy", "mine"]
    pd.testing.assert_frame_equal(after.iloc[: len(before)], before)


@pytest.mark.usefixtures("one_core")
def test_an_extension_that_was_interrupted_keeps_the_rows_of_all_seeds(
    short: Path, done: Run
) -> None:
    extension = Extension(seeds=2, policies=["greedy"])
    run = RunFolder.read(short, extension=extension)
    begin_sitting(run, extension)

    def stop(seed: int, policy: str) -> None:
        if seed == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        continue_run(run, Progress(on_policy=stop))
    training = pd.read_parquet(short / "training.parquet")
    assert training.groupby("seed").size().to_dict() == {0: 2}
    assert [job.seed for job in RunFolder.read(short).jobs_left()] == [1]


def test_the_same_extension_goes_on_where_it_was_killed_between_two_files(short: Path) -> None:
    edit(short, "algorithm.stop.training_iteration", 4)  # as if environment.json came too late
    result = marl_moe_("resume", short, "--epochs", "4")
    assert result.exit_code == 0, result.output
    assert len(pd.read_parquet(short / "training.parquet")) == 4


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--epochs", "1", "--epochs 1: the run has 2 already, should be at least that"),
        ("--episodes", "2", "--episodes 2: the run has 3 already, should be at least that"),
        ("--policies", "gredy", "did you mean 'greedy'"),
        ("--policies", "{run: elsewhere, policy: sac, as: old}", "would have to be copied"),
        ("--policies", "[greedy", "--policies"),
    ],
)
def test_an_extension_that_cannot_be_is_refused(
    short: Path, option: str, value: str, said: str
) -> None:
    before = (short / "environment.json").read_bytes()
    result = marl_moe_("resume", short, option, value)
    assert result.exit_code == 2
    assert said in result.stderr
    assert (short / "environment.json").read_bytes() == before


@pytest.mark.usefixtures("one_core")
def test_a_key_that_the_sweep_sets_is_not_extended(done: Run) -> None:
    swept = done({}, algorithm=None, sweep={"evaluation.episodes": [1, 2]})
    result = marl_moe_("resume", swept, "--episodes", "5")
    assert result.exit_code == 2
    assert "--episodes: sweep sets evaluation.episodes" in result.stderr


def test_a_damaged_record_of_the_experiment_is_told(short: Path) -> None:
    (short / "environment.json").write_text('{"experiment": ')
    result = marl_moe_("resume", short)
    assert result.exit_code == 2
    assert "environment.json: not whole" in result.stderr
