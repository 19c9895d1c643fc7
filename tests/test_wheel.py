"""The wheel holds every module and every data file of the packages, and nothing of the tests."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("envs", "experiments", "marl_moe", "mechanisms", "paper_figures")
TYPED = ("envs", "marl_moe", "mechanisms", "paper_figures")
DATA = {".json", ".yaml", ".safetensors", ".typed"}
NOT_SHIPPED = "paper_figures/gallery/"  # figures and tables of full runs, for readers of the source


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in a wheel that is built of a copy, so that nothing is written beside the sources."""
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
    with zipfile.ZipFile(path) as content:
        return content.namelist()


def test_every_module_and_data_file_is_in_it(wheel: list[str]) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in DATA | {".py"}
    }
    wanted = {name for name in files if not name.startswith(NOT_SHIPPED)}
    for name in ("experiments/schema.json", "envs/measured_competence.json"):
        assert name in wanted
    assert not wanted - set(wheel)


def test_type_checkers_of_others_read_the_packages_types(wheel: list[str]) -> None:
    for package in TYPED:
        assert f"{package}/py.typed" in wheel


def test_nothing_else_is_in_it(wheel: list[str]) -> None:
    folders = {name.partition("/")[0] for name in wheel}
    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)
    assert not [name for name in wheel if name.startswith(NOT_SHIPPED)]
