"""Runs of the tiny experiment for commands that read them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.spec.reading import load_experiment

from .command import Make, marl_moe

Yaml = dict[str, Any]


@pytest.fixture(scope="module")
def make(tiny_experiment: Yaml, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a maker of runs of the tiny experiment that train nothing; each is made once."""
    source = tmp_path_factory.mktemp("source") / "tiny.yaml"
    source.write_text(yaml.safe_dump(tiny_experiment | {"algorithm": None, "figures": []}))
    made: dict[tuple[str, ...], Path] = {}

    def run(*settings: str) -> Path:
        if settings not in made:
            out = tmp_path_factory.mktemp("runs")
            options = [word for setting in settings for word in ("--set", setting)]
            result = marl_moe("run", source, "--out", out, *options)
            assert result.exit_code == 0, result.output
            (out / "printed").write_text(result.stdout)
            made[settings] = next(path for path in out.iterdir() if path.is_dir())
        return made[settings]

    return run


@pytest.fixture
def begun(quick: Path, tmp_path: Path) -> Path:
    """Return the folder of a run of which nothing was done."""
    return create_run(
        load_experiment(str(quick), overrides=("name=begun",)), tmp_path / "runs"
    ).path
