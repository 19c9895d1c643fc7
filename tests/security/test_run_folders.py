"""A run folder from somebody else: nothing in it is executed, and nothing leads out of it."""

import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

import marl_moe as api
from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.spec.labels import folder_of
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.sweep import sweep_points
from marl_moe.policies.learned import save_policy
from marl_moe.policies.networks import NetworkConfig

Yaml = dict[str, Any]


class Bomb:
    """Object that executes something when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.mark,)


def marl_moe(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with a policy comparison, a learned one, a checkpoint and its events."""
    out = tmp_path_factory.mktemp("pristine")
    experiment = {
        "name": "tiny",
        "env": {
            "num_users": 2,
            "num_experts": 6,
            "episode_slots": 10,
            "requests": {"num_topics": 2},
        },
        "algorithm": None,
        "evaluation": {"episodes": 2, "policies": ["random"]},
        "figures": ["policies"],
    }
    (out / "tiny.yaml").write_text(yaml.safe_dump(experiment))
    assert marl_moe("run", out / "tiny.yaml", "--out", out).exit_code == 0
    run = out / "tiny"
    learned = experiment | {"algorithm": {"name": "sac", "stop": {"training_iteration": 1}}}
    (run / "experiment.yaml").write_text(yaml.safe_dump(learned))
    (run / "environment.json").unlink()  # so that nothing says what the run was begun with
    folder = RunFolder.read(run).training_jobs()[0].checkpoint
    network = NetworkConfig(num_experts=6, hidden=4)
    save_policy(
        folder, {"shared": network.build(copies=1).state_dict()}, network, {"shared": [0, 1]}
    )
    (folder / "resume.safetensors").write_bytes(b"checkpoint")
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard" / "events.0000").write_bytes(b"events")
    return run


def bombs(mark: Path) -> dict[str, bytes]:
    pickled = pickle.dumps(Bomb(mark))
    archive, array = io.BytesIO(), io.BytesIO()
    np.savez(
        archive, np.array([Bomb(mark)], dtype=object), np.frombuffer(b'{"array": 0}', np.uint8)
    )
    np.save(array, np.array([Bomb(mark)], dtype=object))
    return {"pickle": pickled, "npz": archive.getvalue(), "npy": array.getvalue()}


def test_a_bomb_goes_off_when_it_is_unpickled(tmp_path: Path) -> None:
    pickle.loads(bombs(tmp_path / "mark")["pickle"])
    assert (tmp_path / "mark").exists()


@pytest.mark.usefixtures("one_core")
def test_no_command_executes_what_is_planted_in_a_file_of_a_run(
    pristine: Path, tmp_path: Path
) -> None:
    mark, run = tmp_path / "mark", tmp_path / "run"
    names = [path.relative_to(pristine) for path in sorted(pristine.rglob("*")) if path.is_file()]
    names = [name for name in names if name.parts[0] != "figures"]
    assert {path.suffix for path in names} >= {
        ".yaml",
        ".json",
        ".parquet",
        ".safetensors",
        ".0000",
    }
    for name in names:
        shutil.copytree(pristine, run)
        commands: list[tuple[str | Path, ...]] = [
            ("evaluate", run, "--policy", "sac", "--episodes", "1")
        ]
        if name.suffix == ".parquet":
            commands += [
                ("figures", run),
                ("export", run, "--format", "csv", "--out", tmp_path / "out.csv"),
            ]
        if name.stem == "resume":
            (run / "evaluation.parquet").unlink()  # so that the job is to be done again
        if name.stem == "resume" or name.suffix == ".yaml" or name.name == "evaluation.parquet":
            commands.append(("resume", run))  # which fails before anything is trained
        for data in bombs(mark).values():
            (run / name).write_bytes(data)
            for command in commands:
                done = marl_moe(*command)
                assert done.exit_code in (0, 1, 2), (name, command, done.output)
                assert done.exception is None or isinstance(done.exception, SystemExit), (
                    name,
                    command,
                )
                assert not mark.exists(), (name, command)
        shutil.rmtree(run)


def test_code_that_a_runs_experiment_names_is_imported_with_trust_alone(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, mark = tmp_path / "run", tmp_path / "mark"
    shutil.copytree(pristine, run)
    (tmp_path / "planted_code.py").write_text(
        f"open({str(mark)!r}, 'w')\nraise ImportError('went off')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    experiment = yaml.safe_load((run / "experiment.yaml").read_text())
    experiment["algorithm"]["callbacks"] = {"callbacks_class": "planted_code.Tracker"}
    experiment["seeds"] = 2  # one is left to do
    (run / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    refused = marl_moe("resume", run)
    assert refused.exit_code == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "algorithm.callbacks.callbacks_class: planted_code.Tracker" in refused.stderr
    assert "--trust" in refused.stderr
    for command in (
        ("evaluate", run, "--policy", "random", "--episodes", "1"),
        ("figures", run),
        ("export", run, "--format", "csv", "--out", tmp_path / "out.csv"),
    ):
        marl_moe(*command)
    assert not mark.exists()
    assert "went off" in marl_moe("resume", run, "--trust").stderr
    assert mark.exists()


def planted(pristine: Path, run: Path, files: dict[str, str], changes: Yaml) -> Yaml:
    """Make a run from elsewhere, with code planted in it; return its experiment."""
    shutil.copytree(pristine, run)
    for place, text in files.items():
        (run / place).parent.mkdir(parents=True, exist_ok=True)
        (run / place).write_text(text)
    experiment = yaml.safe_load((run / "experiment.yaml").read_text()) | changes
    (run / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    (run / "trust.json").write_text('{"sha256": {}, "imports": "00", "named": null}')
    return experiment


def commands_on(run: Path, tmp_path: Path) -> list[tuple[str | Path, ...]]:
    return [
        ("resume", run),
        ("evaluate", run, "--policy", "random", "--episodes", "1"),
        ("figures", run),
        ("export", run, "--format", "csv", "--out", tmp_path / "out.csv"),
        ("generate", "A storm.", "--run", run),
    ]


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("imports/planted.py", {"imports": ["planted.py"]}),
        ("planted.py", {"imports": ["../planted.py"]}),
        ("imports/planted.py", {"evaluation": {"policies": [{"import": "planted.py:Mine"}]}}),
        ("imports/planted/tracker.py", {"imports": ["planted.tracker"]}),
    ],
)
def test_code_that_lies_in_a_run_from_elsewhere_is_imported_with_trust_alone(
    pristine: Path, tmp_path: Path, place: str, changes: Yaml
) -> None:
    mark, run = tmp_path / "mark", tmp_path / "run"
    bomb = f"open({str(mark)!r}, 'w')\nraise ImportError('went off')\n"
    planted(pristine, run, {place: bomb}, changes)
    for command in commands_on(run, tmp_path):
        refused = marl_moe(*command)
        assert refused.exit_code == 2
        assert len(refused.stderr.splitlines()) == 1
        assert "--trust" in refused.stderr
        assert not mark.exists(), command
    with pytest.raises(SpecError, match="--trust"):
        api.load(run)
    assert not mark.exists()
    assert "went off" in marl_moe("figures", run, "--trust").stderr
    mark.unlink()
    (run / place).write_text(bomb + "# another one\n")  # trust was in what had been there
    assert "--trust" in marl_moe("figures", run).stderr
    assert not mark.exists()


def test_nothing_beside_the_experiment_of_a_run_is_imported(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file named as an optional module is, nor a second experiment, nor callbacks."""
    mark, run = tmp_path / "mark", tmp_path / "run"
    bomb = f"open({str(mark)!r}, 'w')\n"
    names = ("planted", "opt_einsum", "tensorflow", "lxml", "uharfbuzz", "substrait")
    experiment = planted(pristine, run, {f"{name}.py": bomb for name in names}, {})
    callbacks = experiment["algorithm"] | {"callbacks": {"callbacks_class": "planted.Tracker"}}
    chosen = experiment | {"imports": ["planted.py"], "algorithm": callbacks}
    (run / "chosen.yaml").write_text(yaml.safe_dump(chosen))
    for command in commands_on(run, tmp_path):
        marl_moe(*command)
        assert not mark.exists(), command
    (run / "imports").mkdir()
    (run / "imports/planted.py").write_text(bomb)
    searched = (
        experiment
        | {"imports": []}
        | {"search": {"algorithm.training.gamma": {"uniform": [0, 0.9]}}}
    )
    (run / "experiment.yaml").write_text(yaml.safe_dump(searched))
    for command in commands_on(run, tmp_path):
        marl_moe(*command)
        assert not mark.exists(), command
    (run / "chosen.yaml").unlink()
    shutil.rmtree(run / "imports")
    (run / "experiment.yaml").write_text(yaml.safe_dump(experiment | {"algorithm": callbacks}))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "planted.py").write_text(bomb)
    (run / "evaluation.parquet").unlink()
    with pytest.raises(SpecError, match="--trust"):
        api.load(run).resume(progress=False)
    assert not mark.exists()


def test_a_symlink_in_the_code_of_a_run_is_what_it_points_to(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, run = tmp_path / "mark", tmp_path / "run"
    planted(
        pristine,
        run,
        {"imports/planted.py": "import helper_elsewhere\n"},
        {"imports": ["planted.py"]},
    )
    target = tmp_path / "target.py"
    target.write_text("")
    (run / "imports/helper_elsewhere.py").symlink_to(target)
    assert marl_moe("figures", run, "--trust").exit_code == 0
    target.write_text(f"open({str(mark)!r}, 'w')\n")
    assert "--trust" in marl_moe("figures", run).stderr
    assert not mark.exists()


LABELS = [
    "env.experts.competence=../../../up.json",
    "env.experts.competence=/etc/passwd",
    "env.experts.competence=C:\\up.json",
    "a=\0",
    "a=" + "b" * 500,
    "a=b.",
    "a=b ",
    "a=..",
    "a=\ud800",
    "..",
    "",
]


@pytest.mark.parametrize("label", LABELS)
def test_no_label_of_a_point_leads_out_of_its_folder_or_is_no_folder(
    tmp_path: Path, label: str
) -> None:
    name = folder_of(label)
    assert len(name.encode()) < 143
    folder = tmp_path / "checkpoints" / name / "seed_0"
    folder.mkdir(parents=True)
    assert folder.resolve() == tmp_path.resolve() / "checkpoints" / Path(name) / "seed_0"
    assert (
        name == ""
        or (tmp_path / "checkpoints" / name).parent.resolve()
        == (tmp_path / "checkpoints").resolve()
    )
    assert not set('<>:"/\\|?*\0') & set(name)
    assert name == name.rstrip(" .")


def test_labels_have_folders_of_their_own_and_plain_ones_their_own_name() -> None:
    assert len({folder_of(label) for label in LABELS}) == len(LABELS)
    assert (
        folder_of("algorithm=sac network=mlp env.num_users=4")
        == "algorithm=sac network=mlp env.num_users=4"
    )
    assert folder_of("env.x=[1, 2]") != folder_of("env.x=(1, 2)")


def test_a_sweep_over_files_trains_below_the_run(tmp_path: Path) -> None:
    (tmp_path / "up.json").write_text('{"competence": [[1.0]]}')
    experiment = {
        "name": "files",
        "env": {"requests": {"num_topics": 1}},
        "sweep": {"env": {"experts": {"competence": [f"{tmp_path}/x/../up.json", "measured"]}}},
    }
    spec = parse_experiment(experiment, "files")
    points = tuple(sweep_points(spec))
    assert len(points) == 2
    for job in RunFolder(tmp_path / "run", spec, points).training_jobs():
        assert job.checkpoint.resolve().is_relative_to((tmp_path / "run" / "checkpoints").resolve())
        assert ".." not in job.checkpoint.parts
