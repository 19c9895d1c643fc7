"""Every example of the pages runs as it stands there, on the package as a page's `diff` blocks
would change it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("envs", "experiments", "marl_moe", "mechanisms", "paper_figures")
EXTENDING = [f"extending/{page}.md" for page in ("policy", "mechanism", "channel", "network")]
PAGES = ["getting_started.md", "ecosystem.md", *EXTENDING]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [code for found, code in FENCE.findall(page.read_text()) if found == language]


def apply_diff(root: Path, diff: str) -> None:
    """Apply a diff whose hunks tell the place by their lines, not by numbers; each must fit exactly
    one.
    """
    path = root
    for hunk in re.split(r"^(?=--- |@@)", diff, flags=re.MULTILINE):
        if hunk.startswith("--- "):
            path = root / hunk.splitlines()[0].removeprefix("--- a/")
        elif hunk.startswith("@@"):
            lines = hunk.splitlines()[1:]
            before, after = (
                "\n".join(line[1:] for line in lines if line[:1] != other) + "\n" for other in "+-"
            )
            source = path.read_text()
            assert source.count(before) == 1, (
                f"{path.name} has changed under the documentation:\n{before}"
            )
            path.write_text(source.replace(before, after))


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(page: str, docs: Path, tmp_path: Path) -> None:
    code = blocks(docs / page, "python")
    assert code
    diffs = blocks(docs / page, "diff")
    if diffs:
        for package in PACKAGES:
            shutil.copytree(
                ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        for diff in diffs:
            apply_diff(tmp_path, diff)
    (tmp_path / "example.py").write_text("\n".join(code))
    ran = subprocess.run(
        [
            sys.executable,
            "example.py",
        ],  # beside the changed packages, where there are any: these come first
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr


def test_pages_with_other_examples_are_in_the_list(docs: Path) -> None:
    runnable = {
        path.relative_to(docs).as_posix() for path in docs.rglob("*.md") if blocks(path, "python")
    }
    assert runnable - set(PAGES) == {"records.md"}  # which reads a run folder


def test_the_shortest_experiment_of_the_page_is_one_and_so_it_is_with_the_search_added(
    docs: Path, tmp_path: Path
) -> None:
    from marl_moe.experiment.run.creation import describe_run
    from marl_moe.experiment.spec.reading import load_experiment

    experiment, search = blocks(docs / "experiments.md", "yaml")
    (tmp_path / "mine.yaml").write_text(experiment)
    assert "30 epochs of training" in describe_run(load_experiment(str(tmp_path / "mine.yaml")))
    (tmp_path / "searched.yaml").write_text(experiment + search)
    assert describe_run(load_experiment(str(tmp_path / "searched.yaml"))).startswith(
        "# search: 16 jobs"
    )
