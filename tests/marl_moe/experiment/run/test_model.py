"""Runs of an older model of the world: read for tables and figures, refused where they play."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner, Result

import marl_moe
from envs import MODEL
from marl_moe.cli import app
from marl_moe.errors import OtherModelError, RecordError, SpecError
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder, read_experiment
from marl_moe.experiment.run.model import without_gone
from marl_moe.experiment.spec.files import shipped_experiments
from marl_moe.experiment.spec.reading import load_experiment, parse_experiment
from marl_moe.policies.learned import load_policy

GALLERY = Path(__file__).parents[4] / "paper_figures" / "gallery"
LATER = ["declined", "walked_away", "refused"]
Yaml = dict[str, Any]


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def edited(file: Path, change: Callable[[Yaml], None]) -> None:
    """Change what a JSON or YAML file holds."""
    text = file.read_text()
    plain = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    change(plain)
    file.write_text(json.dumps(plain) if file.suffix == ".json" else yaml.safe_dump(plain))


@pytest.fixture(scope="module")
def present(
    tiny_experiment: Yaml, tmp_path_factory: pytest.TempPathFactory, ray_started: None
) -> Path:
    source = tmp_path_factory.mktemp("source") / "tiny.yaml"
    source.write_text(yaml.safe_dump(tiny_experiment | {"seeds": 1, "figures": []}))
    # as a command does, which forgets what others imported
    begun = create_run(load_experiment(str(source)), tmp_path_factory.mktemp("runs"))
    return continue_run(begun).folder


@pytest.fixture
def old(present: Path, tmp_path: Path) -> Path:
    """The run as the first model would have left it: no number, a key that went, fewer columns."""
    folder = shutil.copytree(present, tmp_path / "old")

    def age(told: Yaml) -> None:
        del told["model"]
        told["experiment"]["env"]["channel"]["noise_scaling"] = False

    edited(folder / "environment.json", age)
    edited(
        folder / "experiment.yaml",
        lambda plain: plain["env"]["channel"].update(noise_scaling=False),
    )
    for name in ("training", "evaluation"):
        table = pq.read_table(folder / f"{name}.parquet")
        pq.write_table(table.drop_columns(LATER), folder / f"{name}.parquet")
    return folder


def test_a_run_and_its_policy_record_the_model(present: Path) -> None:
    assert json.loads((present / "environment.json").read_text())["model"] == MODEL == 2
    policy = present / "checkpoints" / "seed_0" / "policy.json"
    assert json.loads(policy.read_text())["model"] == MODEL


def test_tables_and_figures_of_an_old_run_are_read(old: Path, present: Path) -> None:
    run, whole = marl_moe.load(old), marl_moe.load(present)
    for read, written in (
        (run.training, whole.training),
        (run.evaluation, whole.evaluation),
    ):
        known = [column for column in written if column not in LATER]
        pd.testing.assert_frame_equal(read[known], written[known])
        assert read[LATER].isna().all(axis=None)
    assert len(run.market) == len(whole.market)
    assert (run.seeds, run.points) == ([0], [""])
    assert run.figure("policies").figure
    assert "jobs left" not in repr(run)
    drawn = command("figures", old)
    assert drawn.exit_code == 0, drawn.output
    assert (old / "figures" / "policies.pdf").is_file()


PLAYING: dict[str, Callable[[Path, Path], Result]] = {
    "resume": lambda old, out: command("resume", old),
    "extend": lambda old, out: command("resume", old, "--epochs", "4"),
    "evaluate": lambda old, out: command("evaluate", old, "--policy", "random"),
    "film": lambda old, out: command("evaluate", old, "--video", out / "film.gif"),
    "export": lambda old, out: command("export", old, "--out", out / "means.csv"),
}


@pytest.mark.parametrize("way", PLAYING)
def test_a_command_that_plays_an_old_run_says_what_to_do(
    way: str, old: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    result = PLAYING[way](old, tmp_path)
    assert result.exit_code == 2
    told = " ".join(result.stderr.split())
    assert f"{old}: a run of model 1 of the world, and worlds are played by model 2" in told
    assert "train it anew, or use" in told
    commit = json.loads((old / "environment.json").read_text())["commit"]
    assert f"commit {commit}" in told
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


def test_python_that_plays_an_old_run_is_refused(old: Path) -> None:
    run = marl_moe.load(old)
    for play in (
        lambda: run.policy("sac"),
        lambda: run.policy("random"),
        lambda: run.resume(progress=False),
        lambda: run.resume(epochs=4, progress=False),
        lambda: marl_moe.evaluate(run, ["random"]),
        lambda: continue_run(run.run_folder),
        lambda: RunFolder.read(old),
    ):
        with pytest.raises(OtherModelError, match="a run of model 1 of the world"):
            play()


def test_a_text_is_not_written_with_an_old_run(old: Path) -> None:
    from marl_moe.text.assembly import network_of

    with pytest.raises(OtherModelError, match="a run of model 1 of the world"):
        network_of(old, None, None, 6)


def test_a_policy_of_an_old_run_is_not_compared(
    old: Path, tiny_experiment: Yaml, tmp_path: Path
) -> None:
    entry = {"run": str(old), "policy": "sac"}
    plain = tiny_experiment | {"algorithm": None, "evaluation": {"policies": [entry]}}
    with pytest.raises(SpecError, match="a run of model 1 of the world"):
        create_run(parse_experiment(plain | {"figures": []}, "tiny"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("number", [None, 1, MODEL + 1])
def test_a_policy_of_another_model_is_not_loaded(
    present: Path, tmp_path: Path, number: int | None
) -> None:
    folder = shutil.copytree(present / "checkpoints" / "seed_0", tmp_path / "policy")

    def age(told: Yaml) -> None:
        told.pop("model")
        if number is not None:
            told["model"] = number

    edited(folder / "policy.json", age)
    with pytest.raises(RecordError, match=f"policy.json: a policy of model {number or 1} of the"):
        load_policy(folder, "sac")


def test_a_key_that_went_tells_the_model_where_the_record_is_gone(old: Path, present: Path) -> None:
    (old / "environment.json").unlink()
    assert len(marl_moe.load(old).evaluation)
    with pytest.raises(OtherModelError, match="or use the version of marl-moe, which made it"):
        RunFolder.read(old)
    copy = shutil.copytree(present, old.parent / "copy")
    (copy / "environment.json").unlink()
    assert not RunFolder.read(copy).jobs_left()


def test_an_edit_of_an_old_run_is_still_told(old: Path) -> None:
    edited(old / "experiment.yaml", lambda plain: plain["env"].update(num_users=3))
    with pytest.raises(SpecError, match=r"env\.num_users was 2 when the run was begun, and is 3"):
        marl_moe.load(old)


def test_a_run_of_a_later_model_is_not_read(present: Path, tmp_path: Path) -> None:
    later = shutil.copytree(present, tmp_path / "later")
    edited(later / "environment.json", lambda told: told.update(model=MODEL + 1))
    with pytest.raises(OtherModelError, match=f"a run of model {MODEL + 1} of the world"):
        marl_moe.load(later)


def test_a_model_that_is_no_number_is_damage(present: Path, tmp_path: Path) -> None:
    odd = shutil.copytree(present, tmp_path / "odd")
    edited(odd / "environment.json", lambda told: told.update(model="two"))
    with pytest.raises(RecordError, match="model should be a number, got 'two'"):
        marl_moe.load(odd)


@pytest.mark.parametrize("study", sorted(path.name for path in GALLERY.iterdir()))
def test_the_runs_of_the_gallery_are_read(study: str, tmp_path: Path) -> None:
    """That of a scenario with the scenario's code, which the gallery does not hold twice."""
    folder = shutil.copytree(GALLERY / study, tmp_path / study)
    for file in shipped_experiments()[study].parent.glob("*.py"):
        (folder / "imports").mkdir(exist_ok=True)
        shutil.copy(file, folder / "imports")
    spec = read_experiment(folder, trust=True, to_play=False)
    assert spec.name == study
    assert marl_moe.load(folder).seeds == spec.seed_list()
    assert len(pd.read_csv(folder / "means.csv"))


def test_a_run_of_the_gallery_that_is_of_the_first_model_is_not_played() -> None:
    with pytest.raises(OtherModelError, match=r"marl-moe 0\.1\.0 at commit"):
        RunFolder.read(GALLERY / "upgrade")


def test_keys_that_went_are_left_out_wherever_worlds_are_set() -> None:
    world = {"channel": {"noise_scaling": True, "split": "equal"}, "num_users": 2}
    kept = {"channel": {"split": "equal"}, "num_users": 2}
    raw = {
        "env": world,
        "evaluation": {"env": world},
        "sweep": {"env.channel.noise_scaling": [True], "env": {"channel": [world["channel"]]}},
        "sizes": {"fast": {"env": world}},
        "noise_scaling": 1,
    }
    assert without_gone(raw) == {
        "env": kept,
        "evaluation": {"env": kept},
        "sweep": {"env": {"channel": [kept["channel"]]}},
        "sizes": {"fast": {"env": kept}},
        "noise_scaling": 1,
    }
