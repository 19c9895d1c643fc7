"""The wheel holds all of the packages and nothing else, and works where it is installed alone."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PACKAGES = ("envs", "experiments", "marl_moe", "mechanisms", "paper_figures")
TYPED = ("envs", "marl_moe", "mechanisms", "paper_figures")
DATA = {".json", ".yaml", ".safetensors", ".typed", ".html", ".css", ".js"}
NOT_SHIPPED = "paper_figures/gallery/"  # figures and tables of full runs, for readers of the source
TRAIN = "needs RLlib and PyTorch: pip install 'marl-moe[train]'"
TEXT = "needs PyTorch and MiniLM: pip install 'marl-moe[text]'"

# Does one command after another in one process, since each would import the same for seconds.
COMMANDS = """
import json, sys, traceback
from typer.testing import CliRunner
from marl_moe.cli import app
answers = []
for arguments in json.load(sys.stdin):
    result = CliRunner().invoke(app, arguments)
    failed = None if isinstance(result.exception, SystemExit | None) else result.exc_info
    trace = "".join(traceback.format_exception(*failed)) if failed else ""
    answers.append([result.exit_code, result.stdout, result.stderr + trace])
json.dump(answers, sys.stdout)
"""
COMPARISON = {
    "name": "comparison",
    "seeds": 2,
    "env": {"num_users": 2, "num_experts": 6, "requests": {"num_topics": 2}},
    "algorithm": None,
    "evaluation": {"episodes": 2, "policies": ["greedy", "random"]},
    "figures": ["policies"],
}
AUDIT = {
    "name": "audit",
    "kind": "market_study",
    "seeds": 2,
    "env": {"num_users": 2, "num_experts": 6, "requests": {"num_topics": 2}},
    "mechanism": {"name": "posted_price"},
    "audit": {"markets": 4, "misreports": 2},
}


class Answer(NamedTuple):
    """What a command left: its exit code, and what it printed."""

    code: int
    out: str
    err: str


class Installation(NamedTuple):
    """A wheel installed alone, where the extra `train` is not.

    Attributes:
        site: folder of its packages.
        outside: a folder outside any checkout, in which it is used.
    """

    site: Path
    outside: Path

    def python(self, code: str, text: str = "") -> str:
        """Return what Python prints."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.outside,
            env=os.environ | {"PYTHONPATH": str(self.site)},
            input=text,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def marl_moe(self, *commands: list[str]) -> list[Answer]:
        """Return the answers to some command lines of `marl-moe`."""
        return [
            Answer(*answer) for answer in json.loads(self.python(COMMANDS, json.dumps(commands)))
        ]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that is built of a copy, so that nothing is written beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    """Names in the wheel."""
    with zipfile.ZipFile(wheel) as content:
        return content.namelist()


@pytest.fixture(scope="module")
def installation(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory, without_training: str
) -> Installation:
    """The wheel unpacked, which is how it is installed, beside what it depends on."""
    made = Installation(tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("outside"))
    with zipfile.ZipFile(wheel) as content:
        content.extractall(made.site)
    (made.site / "sitecustomize.py").write_text(without_training)  # Python reads it as it starts
    for experiment in (COMPARISON, AUDIT):
        text = yaml.safe_dump(experiment, sort_keys=False)
        (made.outside / f"{experiment['name']}.yaml").write_text(text)
    return made


def test_every_module_and_data_file_is_in_it(names: list[str]) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in DATA | {".py"}
    }
    wanted = {name for name in files if not name.startswith(NOT_SHIPPED)}
    for name in ("experiments/schema.json", "envs/measured_competence.json"):
        assert name in wanted
    assert not wanted - set(names)


def test_type_checkers_of_others_read_the_packages_types(names: list[str]) -> None:
    for package in TYPED:
        assert f"{package}/py.typed" in names


def test_nothing_else_is_in_it(names: list[str]) -> None:
    folders = {name.partition("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)
    assert not [name for name in names if name.startswith(NOT_SHIPPED)]


def test_its_licence_and_its_command_come_along(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        (licence,) = (name for name in content.namelist() if name.endswith("licenses/LICENSE"))
        (points,) = (name for name in content.namelist() if name.endswith("entry_points.txt"))
        assert content.read(licence) == (ROOT / "LICENSE").read_bytes()
        assert "marl-moe = marl_moe.cli:main" in content.read(points).decode()


def test_what_learns_is_asked_for_by_an_extra_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        (path,) = (name for name in content.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(content.read(path).decode())
    learning = [line for line in metadata.get_all("Requires-Dist", []) if "torch" in line]
    learning += [line for line in metadata.get_all("Requires-Dist", []) if "ray[" in line]
    assert len(learning) >= 3
    assert all("extra ==" in line for line in learning)


def test_packages_import_outside_a_checkout_without_rllib_and_pytorch(
    installation: Installation,
) -> None:
    code = "import envs, marl_moe, mechanisms, paper_figures as figures\n"
    code += "for package in (envs, marl_moe, mechanisms, figures): print(package.__file__)"
    for path in installation.python(code).split():
        assert Path(path).is_relative_to(installation.site)


def test_what_does_not_learn_works_without_rllib_and_pytorch(installation: Installation) -> None:
    table = installation.outside / "comparison.csv"
    commands = [
        ["--help"],
        ["list"],
        ["schema"],
        ["run", "comparison.yaml", "--dry-run"],
        ["run", "quickstart", "--dry-run"],
        ["run", "comparison.yaml"],
        ["run", "audit.yaml"],
        ["resume", "results/comparison"],
        ["evaluate", "results/comparison", "--policy", "max_snr", "--episodes", "1"],
        ["figures", "results/comparison"],
        ["export", "results/comparison", "--format", "csv", "--out", str(table)],
    ]
    answers = installation.marl_moe(*commands)
    for command, answer in zip(commands, answers, strict=True):
        assert answer.code == 0, (command, answer.err)
    listed, schema, dry, unchecked = (answer.out for answer in answers[1:5])
    assert str(installation.site / "experiments" / "quickstart.yaml") in listed
    assert json.loads(schema) == json.loads((ROOT / "experiments/schema.json").read_text())
    assert "# 2 jobs (sweep points x seeds), 1 side by side on this machine" in dry
    assert unchecked.splitlines()[-1].endswith(TRAIN)  # of what would be checked if it were here
    results = installation.outside / "results"
    assert {path.name for path in results.iterdir()} == {"comparison", "audit"}
    assert (results / "audit/audit.parquet").exists()
    assert (results / "comparison/figures/policies.pdf").exists()
    assert "random" in table.read_text()


def test_what_needs_an_extra_names_it_in_one_line_and_writes_nothing(
    installation: Installation,
) -> None:
    outside = installation.outside
    (outside / "run").mkdir()
    (outside / "run/experiment.yaml").write_text("name: run\nalgorithm: {name: sac}\n")
    before = sorted(outside.rglob("*"))
    remedies = {
        "run quickstart --out trained": TRAIN,
        "run comparison.yaml --address auto --out trained": TRAIN,
        "resume run": TRAIN,
        "evaluate run": TRAIN,
        "evaluate run --policy sac --video sac.gif": TRAIN,
        "generate Rain.": TEXT,
        "calibrate": TEXT,
        "upgrade-gate food": TEXT,
    }
    answers = installation.marl_moe(*(command.split() for command in remedies))
    for (command, remedy), answer in zip(remedies.items(), answers, strict=True):
        assert answer.code == 2, (command, answer.err)
        (line,) = answer.err.splitlines()
        assert line.endswith(remedy), command
    assert sorted(outside.rglob("*")) == before
