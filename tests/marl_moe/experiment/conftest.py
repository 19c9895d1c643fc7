"""One finished run of the tiny experiment, made by the command as a user would."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from marl_moe.cli import app

TABLES = ("training", "evaluation", "market")


@dataclass(frozen=True)
class Finished:
    """A run folder, what was printed, and the file it was asked for with."""

    folder: Path
    printed: str
    source: Path

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")

    def facts(self) -> dict[str, pd.DataFrame]:
        """Return the tables without the columns that time something."""
        tables = {name: self.table(name) for name in TABLES}
        return {
            name: table.drop(columns=[column for column in table if "seconds" in column])
            for name, table in tables.items()
        }


@pytest.fixture(scope="session")
def run_tiny(
    ray_started: None, tiny_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Finished]:
    """Run the tiny experiment, its two seeds one after another (1) or side by side (2)."""
    source = tmp_path_factory.mktemp("source") / "tiny.yaml"
    source.write_text(yaml.safe_dump(tiny_experiment | {"figures": ["policies"]}))
    out = tmp_path_factory.mktemp("runs") / "results"

    def play(side_by_side: int) -> Finished:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "os.cpu_count", lambda: side_by_side
            )  # as many seeds at once as there are cores
            result = CliRunner().invoke(app, ["run", str(source), "--out", str(out)])
        assert result.exit_code == 0, result.output
        folder = max(out.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return Finished(folder, result.stdout, source)

    return play


@pytest.fixture(scope="session")
def finished(run_tiny: Callable[[int], Finished]) -> Finished:
    return run_tiny(1)
