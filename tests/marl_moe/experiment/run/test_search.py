"""A run with a search: the best setting is the best, and interruptions leave no trace."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.errors import DivergedError, SpecError
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.continuation import continue_run, run_experiment
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.job import do
from marl_moe.experiment.spec.reading import load_experiment, parse_experiment

Yaml = dict[str, Any]
pytestmark = pytest.mark.usefixtures("ray_started", "one_core")
GAMMA, RATE = "algorithm.training.gamma", "algorithm.training.actor_lr"
TABLES = ("training", "evaluation", "market", "market_users")
TRIALS, SEEDS = 2, (21, 22)


@pytest.fixture(scope="module")
def source(tiny_experiment: Yaml, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of an experiment that searches two keys of the algorithm."""
    search = {
        GAMMA: {"uniform": [0, 0.9]},
        RATE: {"loguniform": [1e-3, 1e-1]},
        "trials": TRIALS,
        "seeds": list(SEEDS),
    }
    path = tmp_path_factory.mktemp("source") / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_experiment | {"search": search}, sort_keys=False))
    return path


def marl_moe(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


@pytest.fixture(scope="module")
def whole(
    source: Path, tmp_path_factory: pytest.TempPathFactory, ray_started: None
) -> tuple[Path, str]:
    """Return the folder of an unbroken run by the command, and what it printed."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        return out / "tiny", marl_moe("run", source, "--out", out)


def facts(folder: Path, name: str) -> pd.DataFrame:
    """Return a table without the columns that depend on the clock."""
    table = pd.read_parquet(folder / f"{name}.parquet")
    return table.drop(columns=[column for column in table if "seconds" in column])


def record(folder: Path) -> Yaml:
    """Return what `search.json` says, without what depends on the clock."""
    read: Yaml = json.loads((folder / "search.json").read_text())
    assert read["budget"].pop("seconds") > 0
    return read


def assert_same_run(folder: Path, expected: Path) -> None:
    for part in ("", "search"):
        for name in TABLES:
            pd.testing.assert_frame_equal(
                facts(folder / part, name), facts(expected / part, name), check_exact=True
            )
    assert record(folder) == record(expected)
    assert (folder / "chosen.yaml").read_text() == (expected / "chosen.yaml").read_text()
    assert not list(folder.rglob(".*"))


def test_the_setting_chosen_is_the_best_by_the_tables_of_the_search(
    whole: tuple[Path, str],
) -> None:
    folder, _ = whole
    played = pd.read_parquet(folder / "search" / "evaluation.parquet").query("policy == 'sac'")
    assert sorted(played["seed"].unique()) == list(SEEDS)
    means = played.groupby(["settings", "seed"])["gain"].mean().groupby("settings").mean()
    assert len(means) == means.nunique() == TRIALS
    best = json.loads(means.idxmax())
    chosen = yaml.safe_load((folder / "chosen.yaml").read_text())
    training = chosen["algorithm"]["training"]
    assert {GAMMA: training["gamma"], RATE: training["actor_lr"]} == best
    found = record(folder)
    assert found["chosen"] == best
    assert found["policies"] == ["sac"]
    order = means.sort_values(ascending=False)
    assert [trial["settings"] for trial in found["trials"]] == list(map(json.loads, order.index))
    assert [trial["mean"] for trial in found["trials"]] == pytest.approx(order.tolist())


def test_the_budget_and_both_scores_are_those_of_the_tables_and_are_printed(
    whole: tuple[Path, str],
) -> None:
    folder, printed = whole
    training = pd.read_parquet(folder / "search" / "training.parquet")
    jobs = TRIALS * len(SEEDS)
    found = record(folder)
    assert found["budget"] == {
        "jobs": jobs,
        "diverged": 0,
        "epochs": len(training),
        "env_steps": jobs * 2 * 2 * 10,  # jobs, epochs, worlds, slots
        "episodes": jobs * 2 * 3,  # likeliest and drawn actions, 3 episodes each
    }
    assert len(training) == jobs * 2
    judged = pd.read_parquet(folder / "evaluation.parquet").query("policy == 'sac'")
    assert sorted(judged["seed"].unique()) == [0, 1]
    assert found["judged"]["mean"] == pytest.approx(judged.groupby("seed")["gain"].mean().mean())
    assert found["judged"]["num_seeds"] == found["chosen_by"]["num_seeds"] == 2
    lines = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    assert f"{found['chosen_by']['mean']:.3f}" in lines["by"]
    assert f"the best of {TRIALS}" in lines["by"]
    assert f"{found['judged']['mean']:.3f}" in lines["judged"]
    assert f"{jobs} jobs" in lines["search"]
    assert f"{GAMMA}={found['chosen'][GAMMA]}" in lines["chosen"]


def test_the_second_part_is_a_plain_run_of_the_experiment_with_that_setting(
    whole: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = whole
    marl_moe("run", folder / "chosen.yaml", "--out", tmp_path)
    for name in TABLES:
        pd.testing.assert_frame_equal(
            facts(tmp_path / "tiny", name), facts(folder, name), check_exact=True
        )
    assert set(facts(folder, "evaluation")["settings"]) == {"{}"}


def test_every_command_takes_the_folder_for_that_plain_run(
    whole: tuple[Path, str], tmp_path: Path
) -> None:
    folder, printed = whole
    assert "judged" in marl_moe("show", folder)
    assert marl_moe("show", folder) in printed
    spec = RunFolder.read(folder).spec
    assert spec.search is None
    assert spec == load_experiment(str(folder / "chosen.yaml"))
    assert load_experiment(str(folder / "experiment.yaml")).search is not None
    before = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    refused = marl_moe("resume", folder, "--seeds", "9", code=2)
    assert "a run with a search cannot be extended: chosen.yaml in it is an experiment" in refused
    assert "judged" in marl_moe("resume", folder)
    assert before == {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    recorded = pd.read_parquet(folder / "evaluation.parquet").query("policy == 'sac'")
    mean = recorded.groupby("seed")["gain"].mean().mean()
    assert f"{mean:.3f}" in marl_moe("evaluate", folder, "--policy", "sac")
    assert "policies.pdf" in marl_moe("figures", folder, "--out", tmp_path)
    marl_moe("export", folder, "--format", "csv", "--out", tmp_path / "means.csv")
    assert set(pd.read_csv(tmp_path / "means.csv")["policy"]) == set(
        pd.read_parquet(folder / "evaluation.parquet")["policy"]
    )
    # The search is a run folder too, whose points are the settings.
    assert len(RunFolder.read(folder / "search").points) == TRIALS
    assert not RunFolder.read(folder / "search").jobs_left()


class StopError(Exception):
    """Stands for a kill: whatever was not written is lost."""


def stop_after(epochs: int) -> Progress:
    """Return the progress of a run that is stopped when it has trained so many epochs."""
    left = iter(range(epochs - 1))

    def on_epoch(row: Any) -> None:
        if next(left, None) is None:
            raise StopError

    return Progress(on_epoch=on_epoch)


# Four jobs of two epochs search, two judge; stopped within a job, and at the end of one.
@pytest.mark.parametrize("stops", [(3, 1), pytest.param((4, 7), marks=pytest.mark.faults)])
def test_a_run_stopped_in_either_part_and_continued_is_the_run_that_was_not(
    source: Path, whole: tuple[Path, str], tmp_path: Path, stops: tuple[int, ...]
) -> None:
    folder = create_run(load_experiment(str(source)), tmp_path).path
    assert f"at 0 of {len(SEEDS) * TRIALS + 2} jobs" in marl_moe("runs", tmp_path)
    for epochs in stops:
        with pytest.raises(StopError):
            continue_run(RunFolder.read(folder), stop_after(epochs))
        assert "interrupted at" in marl_moe("runs", tmp_path)
        assert "to continue: marl-moe resume" in marl_moe("show", folder, code=2)
    marl_moe("resume", folder)
    assert "finished" in marl_moe("runs", tmp_path)
    assert_same_run(folder, whole[0])


@pytest.mark.faults
def test_a_run_stopped_while_it_chooses_is_the_run_that_was_not(
    source: Path, whole: tuple[Path, str], tmp_path: Path
) -> None:
    def stop(*arguments: Any, **keys: Any) -> Any:
        raise StopError

    folder = create_run(load_experiment(str(source)), tmp_path).path
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marl_moe.experiment.run.search.chosen_experiment", stop)
        with pytest.raises(StopError):
            continue_run(RunFolder.read(folder))
    assert not (folder / "chosen.yaml").exists()
    assert not (folder / "evaluation.parquet").exists()
    refusal = marl_moe("evaluate", folder, code=2)
    assert f"its search is not done; to continue: marl-moe resume {folder}" in refusal
    marl_moe("resume", folder)
    assert_same_run(folder, whole[0])


def test_training_that_diverges_ranks_its_setting_last(
    source: Path, whole: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands for the setting that was best, with one of its two seeds."""
    unbroken = record(whole[0])

    def diverging(job: Any, progress: Progress) -> Any:
        if job.settings == unbroken["chosen"] and job.seed == SEEDS[1]:
            raise DivergedError("a weight is not finite")
        return do(job, progress)

    monkeypatch.setattr("marl_moe.experiment.run.continuation.do", diverging)
    run = run_experiment(load_experiment(str(source)), tmp_path)
    found = record(run.folder)
    first, *others = unbroken["trials"]
    expected = [*others, first | {"mean": None, "low": None, "high": None, "num_seeds": 0}]
    ranks = range(1, TRIALS + 1)
    assert found["trials"] == [
        trial | {"rank": rank} for rank, trial in zip(ranks, expected, strict=True)
    ]
    assert found["budget"]["diverged"] == 1
    assert found["chosen"] == others[0]["settings"]


def test_where_every_setting_diverges_none_is_chosen_and_the_run_says_so(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(job: Any, progress: Progress) -> Any:
        raise DivergedError("a weight is not finite")

    monkeypatch.setattr("marl_moe.experiment.run.continuation.do", diverging)
    complaint = marl_moe("run", source, "--out", tmp_path, code=2)
    assert "no setting can be chosen: training diverged with each" in complaint
    assert not (tmp_path / "tiny" / "chosen.yaml").exists()


def test_one_setting_is_chosen_for_all_sweep_points_and_the_least_where_that_is_asked(
    tiny_experiment: Yaml, tmp_path: Path
) -> None:
    """Without learning, by the energy that a rule costs at each bandwidth."""
    key = "env.channel.bandwidth_hz"
    search = {key: {"grid_search": [500, 4000, 1000]}, "metric": "energy_j", "mode": "min"}
    changes = {
        "algorithm": None,
        "seeds": 1,
        "sweep": {"env": {"num_users": [1, 3]}},
        "search": search | {"policy": "random", "seeds": 3},
    }
    run = run_experiment(parse_experiment(tiny_experiment | changes, "tiny"), tmp_path)
    table = pd.read_parquet(run.folder / "search" / "evaluation.parquet")
    assert set(table["policy"]) == {"random"}
    settings = pd.DataFrame(table["settings"].map(json.loads).tolist())
    means = table["energy_j"].groupby(settings[key]).mean()  # as many rows at each point and seed
    assert means.idxmin() == 4000  # more band, less time on the air
    found = json.loads((run.folder / "search.json").read_text())
    assert [trial["settings"][key] for trial in found["trials"]] == [4000, 1000, 500]
    assert [trial["mean"] for trial in found["trials"]] == pytest.approx(sorted(means))
    assert found["budget"]["jobs"] == 3 * 2 * 3
    points = run.results.groupby("point", sort=False)
    assert list(points.groups) == ["env.num_users=1", "env.num_users=3"]
    assert RunFolder.read(run.folder).spec.env.channel.bandwidth_hz == 4000


def test_code_that_only_a_setting_of_the_search_names_is_not_run_without_trust(
    source: Path, tmp_path: Path
) -> None:
    folder = create_run(load_experiment(str(source)), tmp_path).path
    with pytest.raises(StopError):
        continue_run(RunFolder.read(folder), stop_after(1))
    path = folder / "search" / "experiment.yaml"
    tried = yaml.safe_load(path.read_text())
    code = {"algorithm.callbacks.callbacks_class": "elsewhere.Bomb"}
    path.write_text(yaml.safe_dump(tried | {"sweep": [code | point for point in tried["sweep"]]}))
    (folder / "search" / "environment.json").unlink()  # which would tell of the edit first
    assert "elsewhere.Bomb" in marl_moe("resume", folder, code=2)
    with pytest.raises(SpecError, match=r"elsewhere\.Bomb"):
        RunFolder.read(folder).check_trusted(trust=False)


def test_nothing_is_written_for_a_search_that_cannot_be(source: Path, tmp_path: Path) -> None:
    for setting, said in (
        ("search.metric=gian", "search.metric: unknown 'gian'; did you mean 'gain'?"),
        ("search.seeds=[0, 5]", "search.seeds: should be none of the experiment's seeds"),
        ("search.trials=0", "search.trials"),
    ):
        line = marl_moe("run", source, "--out", tmp_path / "none", "--set", setting, code=2)
        assert said in line
        assert len(line.splitlines()) == 1
    assert not (tmp_path / "none").exists()
