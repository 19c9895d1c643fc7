"""Files that an experiment names: found beside it, copied into the run folder, checked there."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import marl_moe.api
from envs import World
from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.sweep import sweep_points

Yaml = dict[str, Any]
TABLES = {"one.json": np.eye(2), "other.json": np.full((2, 2), 0.5)}
TABLE = "env.experts.competence"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write an experiment of that table and of changed keys into `there/`, beside two tables."""
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(tmp_path)
    for name, table in TABLES.items():
        (there / name).write_text(json.dumps({"competence": table.tolist()}))

    def write(competence: str = "one.json", **changes: Any) -> Path:
        experts = {"competence": competence}
        env = {"num_users": 2, "num_experts": 3, "episode_slots": 3, "experts": experts}
        evaluation = {"episodes": 1, "policies": ["greedy"]}
        experiment = {"name": "x", "algorithm": None, "evaluation": evaluation, "figures": []}
        experiment["env"] = env | {"requests": {"num_topics": 2}}
        (there / "x.yaml").write_text(yaml.safe_dump(experiment | changes, sort_keys=False))
        return Path("there/x.yaml")

    return write


def table_of(world: Any) -> np.ndarray:
    """Return the competence that a world of a configuration has, of its experts of each topic."""
    pool = World(world, seed=0).pool
    return pool.competence[0]


def test_a_table_is_found_beside_the_experiment_and_copied_with_its_digest(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    source = write()
    result = CliRunner().invoke(app, ["run", str(source)])
    assert result.exit_code == 0, result.output
    run = tmp_path / "results" / "x"
    kept = yaml.safe_load((run / "experiment.yaml").read_text())
    assert kept["env"]["experts"]["competence"] == "inputs/one.json"
    assert (run / "inputs/one.json").read_bytes() == Path("there/one.json").read_bytes()
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=run / "inputs", check=True)
    assert str(tmp_path) not in (run / "experiment.yaml").read_text()


def test_a_run_that_was_moved_plays_the_same_worlds_from_any_folder(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marl_moe.api.run(write(), out="out", progress=False)
    shutil.rmtree("there")
    (tmp_path / "elsewhere").mkdir()
    Path("out/x").rename("elsewhere/y")
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = marl_moe.api.load("y")
    again = marl_moe.api.evaluate(run)
    assert again["gain"].tolist() == run.evaluation["gain"].tolist()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda copy: copy.write_text(copy.read_text() + " "), "one.json: not the file that the"),
        (lambda copy: copy.unlink(), "one.json: the copy of an input is gone; restore it"),
        (lambda copy: (copy.parent / "SHA256SUMS").unlink(), "SHA256SUMS: the digests of the"),
        (lambda copy: shutil.rmtree(copy.parent), "SHA256SUMS: the digests of the inputs are gone"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "resume"])
def test_a_copy_that_was_changed_or_is_gone_is_one_line(
    write: Callable[..., Path], damage: Callable[[Path], None], said: str, command: str
) -> None:
    folder = create_run(load_experiment(str(write())), Path("out")).path
    damage(folder / "inputs" / "one.json")
    result = CliRunner().invoke(app, [command, str(folder)])
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1
    assert said in result.output


def test_jobs_read_the_copies_though_the_files_change_under_way(
    write: Callable[..., Path],
) -> None:
    begun = create_run(load_experiment(str(write())), Path("out"))
    Path("there/one.json").unlink()
    assert np.isin(table_of(begun.points[0].spec.env), (0, 1)).all()


def test_tables_of_a_sweep_are_copied_and_its_points_keep_their_labels(
    write: Callable[..., Path],
) -> None:
    swept = {TABLE: ["one.json", "other.json", "measured"]}
    source = write("one.json", sweep=swept, env={"num_experts": 3, "requests": {"num_topics": 6}})
    with pytest.raises(SpecError, match="a table of 6 x 6 finite numbers"):
        create_run(load_experiment(str(source)), Path("out"))
    source = write("other.json", sweep={TABLE: ["one.json", "other.json"]})
    begun = create_run(load_experiment(str(source)), Path("out"))
    read = RunFolder.read(begun.path)
    labels = [f"{TABLE}=inputs/one.json", f"{TABLE}=inputs/other.json"]
    for run in (begun, read):
        assert [point.label for point in run.points] == labels
        first, second = (table_of(point.spec.env) for point in run.points)
        assert np.isin(first, (0, 1)).all()
        assert (second == 0.5).all()
    assert [job.settings for job in begun.jobs] == [job.settings for job in read.jobs]


def test_tables_of_one_name_are_told_apart(write: Callable[..., Path]) -> None:
    Path("there/more").mkdir()
    shutil.copy("there/other.json", "there/more/one.json")
    evaluated = {"episodes": 1, "env": {"experts": {"competence": "more/one.json"}}}
    begun = create_run(load_experiment(str(write(evaluation=evaluated))), Path("out"))
    for run in (begun, RunFolder.read(begun.path)):
        (point,) = run.points
        assert np.isin(table_of(point.spec.env), (0, 1)).all()
        assert (table_of(point.spec.evaluated_env()) == 0.5).all()
        assert set(run.spec.inputs) == {"inputs/one.json", "inputs/one-2.json"}


@pytest.mark.parametrize("form", ["choice", "grid_search"])
def test_tables_that_a_search_draws_are_found_and_copied(
    write: Callable[..., Path], form: str
) -> None:
    search = {TABLE: {form: ["one.json", "other.json"]}, "trials": 2, "policy": "greedy"}
    spec = load_experiment(str(write(search=search)))
    assert set(spec.inputs) == {"inputs/one.json", "inputs/other.json"}
    tried = create_run(spec, Path("out")).search()
    assert {point.spec.env.experts.competence for point in tried.points} == {
        str(Path("out/x/inputs", name).absolute()) for name in TABLES
    }


def test_what_is_typed_is_relative_to_the_working_folder(write: Callable[..., Path]) -> None:
    source = str(write())
    shutil.copy("there/other.json", "mine.json")
    for spec in (
        load_experiment(source, [f"{TABLE}=mine.json"]),
        load_experiment(source, ["env={num_experts: 3, experts: {competence: mine.json}}"]),
        load_experiment(source, changes={"env": {"experts": {"competence": "mine.json"}}}),
    ):
        assert spec.env.experts.competence == "mine.json"
    with pytest.raises(SpecError, match=r"cannot read one\.json"):
        create_run(load_experiment(source, [f"{TABLE}=one.json"]), Path("out"))


def test_the_table_of_the_package_is_no_file(write: Callable[..., Path]) -> None:
    requests = {"num_topics": 6}
    experts = {"competence": "measured"}
    spec = load_experiment(str(write(env={"experts": experts, "requests": requests})))
    folder = create_run(spec, Path("out")).path
    assert not (folder / "inputs").exists()
    assert (
        yaml.safe_load((folder / "experiment.yaml").read_text())["env"]["experts"] | experts
        == (yaml.safe_load((folder / "experiment.yaml").read_text())["env"]["experts"])
    )


def test_a_dry_run_prints_an_experiment_that_runs(write: Callable[..., Path]) -> None:
    printed = CliRunner().invoke(app, ["run", str(write()), "--dry-run"]).output
    Path("printed.yaml").write_text(printed)
    assert sweep_points(load_experiment("printed.yaml"))[0].spec.env.experts.competence == (
        "there/one.json"
    )


def test_an_experiment_that_was_read_runs_from_python(write: Callable[..., Path]) -> None:
    spec = load_experiment(str(write()))
    run = marl_moe.api.run(spec, out="out", progress=False)
    assert (run.folder / "inputs" / "one.json").is_file()
    assert run.spec.as_dict()["env"] == spec.as_dict()["env"]


def test_a_run_that_is_named_is_found_beside_the_experiment_and_again_from_the_run_folder(
    write: Callable[..., Path],
) -> None:
    entry = {"run": "before", "policy": "sac"}
    source = write(evaluation={"policies": [entry]})
    (named,) = load_experiment(str(source)).evaluation.policies
    assert named.run == "before"  # there is none beside it: that of the working folder is meant
    Path("there/before").mkdir()
    (named,) = load_experiment(str(source)).evaluation.policies
    assert named.run == "there/before"
    given = ["evaluation.policies=[{run: before, policy: sac}]"]
    (named,) = load_experiment(str(source), given).evaluation.policies
    assert named.run == "before"
