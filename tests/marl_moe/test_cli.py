"""The command as a user meets it: exit codes, one line for each mistake, nothing left behind."""

import copy
import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from marl_moe import __version__
from marl_moe.cli import app
from marl_moe.experiment.spec.files import shipped_experiments

Yaml = dict[str, Any]
Write = Callable[[Yaml | str], Path]


def marl_moe(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_version_is_that_of_the_package() -> None:
    result = marl_moe("--version")
    assert (result.exit_code, result.stdout) == (0, f"{__version__}\n")
    assert __version__ == importlib.metadata.version("marl-moe")


def test_neither_the_package_nor_the_command_imports_ray_or_torch_to_begin_with() -> None:
    code = "import marl_moe.cli, sys; print({'ray', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("env.channel.bandwith_hz=1000", "did you mean 'bandwidth_hz'?"),
        ("env.num_experts=0", "env.num_experts: "),
        ("env.channel.bandwidth_hz=-1", "env.channel.bandwidth_hz: "),
        ("evaluation.episode=3", "did you mean 'episodes'?"),
        ("figures=[polices]", "did you mean 'policies'?"),
        ("mechanism.name=posted_prize", "did you mean 'posted_price'?"),
        ("env.experts.competence=nowhere.json", "env.experts.competence: cannot read nowhere.json"),
        ("algorithm.trainin={}", "did you mean 'training'?"),
        (
            "algorithm.training.gama=0.9",
            "algorithm.training.gama: unknown 'gama'; did you mean 'gamma'?",
        ),
        ("algorithm.env_runners.num_env_runner=2", "did you mean 'num_env_runners'?"),
        ("algorithm.training.tau=7", "training.tau should lie in 0..1, got 7"),
        ("sweep={env: {num_users: [1, 0]}}", "env.num_users=0: env.num_users: "),
    ],
)
def test_a_mistake_is_one_line_on_stderr_exit_code_2_and_nothing_written(
    tiny_experiment: Yaml, write_experiment: Write, tmp_path: Path, override: str, said: str
) -> None:
    path = write_experiment(tiny_experiment)
    result = marl_moe("run", path, "--out", tmp_path / "results", "--set", override)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert str(path) in result.stderr or "sweep" in override
    assert result.stdout == ""
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [("name: [\n", ", line 2: not YAML: "), ("seeds: 1\n", "name: Field required")],
)
def test_a_file_that_is_no_experiment_is_one_line_too(
    write_experiment: Write, text: str, said: str
) -> None:
    path = write_experiment(text)
    result = marl_moe("run", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(str(path))
    assert said in result.stderr


def test_a_shell_sees_one_line_without_a_traceback(
    tiny_experiment: Yaml, write_experiment: Write, tmp_path: Path
) -> None:
    wrong = copy.deepcopy(tiny_experiment)
    wrong["algorithm"]["training"]["gama"] = 0.9
    path = write_experiment(wrong)
    command = [
        sys.executable,
        "-m",
        "marl_moe",
        "run",
        str(path),
        "--out",
        str(tmp_path / "results"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{path}: algorithm.training.gama: unknown 'gama'; did you mean 'gamma'? (unknown key)"
    ]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["experiment.yaml"]


def test_a_world_that_memory_does_not_hold_is_one_line(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_world(*arguments: object, **named: object) -> None:
        raise MemoryError

    monkeypatch.setattr("marl_moe.experiment.run.checks.World", no_world)
    result = marl_moe("run", quick, "--dry-run", "--set", "env.num_users=1000000")
    assert result.exit_code == 2
    assert "env: 1,000,000 users and 6 experts are more than memory holds" in result.stderr


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_an_out_folder_that_cannot_be_made_is_one_line_and_exit_code_1(
    quick: Path, tmp_path: Path, below: str
) -> None:
    (tmp_path / "file").write_text("")
    result = marl_moe("run", quick, "--out", f"{tmp_path}/file{below}")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert f"{tmp_path}/file" in result.stderr


@pytest.mark.usefixtures("one_core")
def test_what_is_set_on_the_command_line_counts_and_is_written_down(
    quick: Path, tmp_path: Path
) -> None:
    result = marl_moe(
        "run",
        quick,
        "--out",
        tmp_path,
        "--seeds",
        "2",
        "--set",
        "env.num_users=3",
        "--set",
        "name=other",
    )
    assert result.exit_code == 0
    written = yaml.safe_load((tmp_path / "other" / "experiment.yaml").read_text())
    assert (written["seeds"], written["env"]["num_users"]) == (2, 3)
    rows = pd.read_parquet(tmp_path / "other" / "evaluation.parquet")
    assert sorted(rows["seed"].unique()) == [0, 1]


def test_a_second_run_of_a_name_gets_a_folder_of_its_own(quick: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    for name in ("tiny", "tiny-2"):
        result = marl_moe("run", quick, "--out", out)
        assert f"records  {out / name}" in result.stdout
    assert sorted(folder.name for folder in out.iterdir()) == ["tiny", "tiny-2"]


def test_list_names_every_shipped_experiment_and_its_file() -> None:
    result = marl_moe("list")
    assert result.exit_code == 0
    for name, path in shipped_experiments().items():
        assert f"{name} " in result.stdout
        assert str(path) in result.stdout.replace("\n", "")


@pytest.mark.parametrize("also", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("evaluation.policies=[]", "evaluation.policies: nothing is trained"),
        (
            "kind=market_study",
            "env.episode_slots should be above 10 where markets are sampled, got 10",
        ),
        ("sweep={kind: [train, market_study]}", "sweep.kind: all points of a run are of one kind"),
        ("sweep={evaluation: {policies: [[random], []]}}", "evaluation.policies: nothing is"),
    ],
)
def test_a_run_without_results_to_come_is_refused_before_it_begins(
    quick: Path, tmp_path: Path, setting: str, said: str, also: list[str]
) -> None:
    result = marl_moe("run", quick, "--set", setting, "--out", tmp_path / "results", *also)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert not (tmp_path / "results").exists()


def test_markup_in_a_path_is_printed_as_it_is(quick: Path, tmp_path: Path) -> None:
    for name in ("runs [old]", "a[", "b] :fire: [bold]"):
        out = tmp_path / name
        result = marl_moe("run", quick, "--set", "figures=[]", "--out", out)
        assert result.exit_code == 0
        assert f"records  {out / 'tiny'}\n" in result.stdout


COMMANDS = ("run", "figures", "export", "show", "runs", "compare", "list")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    result = marl_moe(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout
    if command:
        assert "Example" in result.stdout
    else:
        assert all(f" {name} " in result.stdout for name in COMMANDS)


def test_the_command_without_a_word_shows_its_help() -> None:
    assert "Usage" in marl_moe().output


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "nowhere", "--seeds", "2", "--seeds", "3"),
        ("run", "nowhere", "--out", "a", "--out", "b"),
        ("run", "nowhere", "--size", "smoke", "--size=smoke"),
        ("resume", "nowhere", "--seeds", "2", "--seeds", "3"),
        ("evaluate", "nowhere", "--episodes", "2", "--episodes", "3"),
        ("generate", "Rain", "--seed", "1", "--seed", "2"),
    ],
    ids=" ".join,
)
def test_an_option_that_is_given_twice_is_refused_by_its_name(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2
    option = next(word for word in reversed(arguments) if word.startswith("--")).partition("=")[0]
    assert f"{option} is given 2 times" in result.stderr
