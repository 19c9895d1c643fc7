"""Every example of the pages runs as it stands there: files, commands and Python alike."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from marl_moe.cli import app

pytestmark = pytest.mark.usefixtures("ray_started")
ROOT = Path(__file__).parents[2]
PAGES = [
    "getting_started.md",
    "ecosystem.md",
    "python.md",
    "strategic.md",
    "populations.md",
    "traces.md",
    "two_sided.md",
]
EXTENDING = sorted(path.name for path in (ROOT / "docs/extending").glob("*.md"))
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a page that are no files."""
    return [
        code
        for found, title, code in FENCE.findall(page.read_text())
        if (found, title) == (language, "")
    ]


def files(page: Path) -> dict[str, str]:
    """Return the files that a page shows, by name."""
    return {title: code for _, title, code in FENCE.findall(page.read_text()) if title}


def play(page: Path, folder: Path) -> None:
    """Write the files of a page into the working folder, run its commands there, then its Python.

    The command runs in this process, one seed after another; Python in a process of its own where
    it reads files of the page.
    """
    modules = []
    for name, text in files(page).items():
        (folder / name).write_text(text)
        modules += [Path(name).stem] if name.endswith(".py") else []
    commands = []
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            commands.append(shlex.split(line, comments=True))
    code = "\n".join(blocks(page, "python"))
    if code:
        (folder / "example.py").write_text(code)
        commands.append(["python", "example.py"])
    assert commands
    for program, *words in commands:
        if program == "marl-moe":
            ran = CliRunner().invoke(app, words)
            assert ran.exit_code == 0, f"{words}\n{ran.output}\n{ran.exception!r}"
        elif words == ["example.py"] and not any(name in code for name in modules):
            runpy.run_path("example.py", run_name="__main__")
        else:
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
            script = subprocess.run(
                [sys.executable, *words],
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert script.returncode == 0, f"{words}\n{script.stdout}\n{script.stderr}"


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(
    page: str, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    play(docs / page, tmp_path)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("page", EXTENDING)
def test_a_part_of_ones_own_goes_through_the_command_with_two_seeds(
    page: str, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    play(docs / "extending" / page, tmp_path)
    shown = files(docs / "extending" / page)
    experiments = [yaml.safe_load(text) for name, text in shown.items() if name.endswith(".yaml")]
    assert any("imports" in experiment for experiment in experiments)
    runs = list((tmp_path / "results").iterdir())
    assert len(runs) >= len(experiments)
    for run in runs:
        table = next(run.glob("evaluation.parquet"), run / "audit.parquet")
        assert pd.read_parquet(table)["seed"].nunique() == 2, run


def test_parts_of_ones_own_of_every_kind_are_known_where_seeds_run_side_by_side(
    docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One experiment of the parts of all pages, in two processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    shown: dict[str, str] = {}
    for page in EXTENDING:
        shown |= files(docs / "extending" / page)
    for name, text in shown.items():
        (tmp_path / name).write_text(text)
    of = {name: yaml.safe_load(text) for name, text in shown.items() if name.endswith(".yaml")}
    whole = of["my_metric.yaml"] | {
        "name": "parts",
        "imports": sorted({name for one in of.values() for name in one["imports"]}),
        "mechanism": of["reverse_auction.yaml"]["mechanism"],
        "figures": of["who_gains.yaml"]["figures"],
        "evaluation": {"episodes": 2, "policies": ["two_choices"]},
    }
    whole["env"] |= {"channel": of["my_channel.yaml"]["env"]["channel"]}
    whole["env"] |= {"market": of["reverse_auction.yaml"]["env"]["market"]}
    whole["algorithm"] |= of["linear_network.yaml"]["sweep"]["algorithm"][1]
    del whole["algorithm"]["label"]
    (tmp_path / "parts.yaml").write_text(yaml.safe_dump(whole))
    ran = CliRunner().invoke(app, ["run", "parts.yaml"])
    assert ran.exit_code == 0, f"{ran.output}\n{ran.exception!r}"
    run = tmp_path / "results/parts"
    assert {file.name for file in (run / "imports").iterdir()} >= set(whole["imports"])
    trained, played = (
        pd.read_parquet(run / f"{table}.parquet") for table in ("training", "evaluation")
    )
    assert sorted(trained["seed"].unique()) == sorted(played["seed"].unique()) == [0, 1]
    assert {*whole["metrics"], "abandoned", "replay/transitions"} <= set(trained)
    assert set(whole["metrics"]) <= set(played)
    assert {"two_choices", "sac"} <= set(played["policy"])
    assert set(played["mechanism"]) == {"reverse_auction"}
    assert (run / "figures/who_gains.pdf").stat().st_size > 1000


def test_pages_with_other_examples_are_in_the_list(docs: Path) -> None:
    runnable = {
        path.relative_to(docs).as_posix() for path in docs.rglob("*.md") if blocks(path, "python")
    }
    played = {*PAGES, *(f"extending/{page}" for page in EXTENDING)}
    assert runnable - played == {"records.md"}  # which reads a run folder


def test_the_shortest_experiment_of_the_page_is_one_and_so_it_is_with_the_search_added(
    docs: Path, tmp_path: Path
) -> None:
    from marl_moe.experiment.run.size import describe_run
    from marl_moe.experiment.spec.reading import load_experiment

    experiment, figures, search = blocks(docs / "experiments.md", "yaml")
    (tmp_path / "mine.yaml").write_text(experiment)
    assert "30 epochs of training" in describe_run(
        load_experiment(str(tmp_path / "mine.yaml")), tmp_path
    )
    (tmp_path / "drawn.yaml").write_text(experiment.partition("figures:")[0] + figures)
    assert len(load_experiment(str(tmp_path / "drawn.yaml")).figures) > 1
    (tmp_path / "searched.yaml").write_text(experiment + search)
    assert "# search: 16 jobs" in describe_run(
        load_experiment(str(tmp_path / "searched.yaml")), tmp_path
    )


def test_the_experiment_of_the_page_on_places_names_its_defaults_and_plays(
    docs: Path, tmp_path: Path
) -> None:
    from envs import ChannelConfig, World
    from marl_moe.experiment.spec.reading import load_experiment

    (experiment,) = blocks(docs / "geometry.md", "yaml")
    (tmp_path / "city.yaml").write_text(experiment)
    env = load_experiment(str(tmp_path / "city.yaml")).env
    defaults = ChannelConfig(process="geometric", bandwidth_hz=1e6, geometry={})
    worlds = [World(env, 2, seed=0), World(replace(env, channel=defaults), 2, seed=0)]
    for world in worlds:
        world.step(np.full((2, 16), 30))
    first, second = (world.slot.conditions.links.snr_db for world in worlds)
    np.testing.assert_array_equal(first, second)


def test_the_groups_of_the_page_on_places_are_shown_as_the_page_shows_them_and_play(
    docs: Path, tmp_path: Path
) -> None:
    from envs import World
    from marl_moe.experiment.run.population import population_table
    from marl_moe.experiment.spec.reading import load_experiment

    page = docs / "geometry.md"
    file = tmp_path / "towers_and_kiosks.yaml"
    file.write_text(files(page)[file.name])
    env = load_experiment(str(file)).env
    (shown,) = blocks(page, "text")
    assert [line.removeprefix("# ") for line in shown.splitlines()] == population_table(env)
    world = World(env, seed=0)
    before = world.positions
    world.step(np.full((1, 16), 30))
    assert before is not None
    assert world.positions is not None
    assert (before.experts == world.positions.experts).all()
    assert before.experts[0, :, 2].tolist() == [25.0] * 3 + [4.0] * 27
