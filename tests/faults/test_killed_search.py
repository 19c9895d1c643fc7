"""SIGKILL of a run with a search: while it tries settings, and while it trains with the best."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from .command import PATIENCE_S, TABLES, facts, marl_moe, partials, started, wait_until

pytestmark = pytest.mark.faults
SEARCH = {"algorithm.training.gamma": {"uniform": [0, 0.9]}, "trials": 3, "seeds": 2}


@pytest.mark.usefixtures("ray_started", "one_core")
def test_a_run_killed_in_both_parts_of_a_search_ends_at_the_tables_of_one_that_was_not(
    tiny_experiment: dict[str, Any], tmp_path: Path
) -> None:
    """Jobs run side by side in the runs that are killed, where there are cores, else in turn."""
    source = tmp_path / "tiny.yaml"
    source.write_text(yaml.safe_dump(tiny_experiment | {"seeds": 3, "search": SEARCH}))
    assert marl_moe("run", source, "--out", tmp_path / "whole").exit_code == 0
    whole, folder = tmp_path / "whole" / "tiny", tmp_path / "killed" / "tiny"

    first = started("run", source, "--out", tmp_path / "killed")
    wait_until((folder / "search" / "evaluation.parquet").exists, first)
    first.kill()
    first.communicate(timeout=PATIENCE_S)
    assert not (folder / "chosen.yaml").exists()
    second = started("resume", folder)
    wait_until((folder / "evaluation.parquet").exists, second)
    second.kill()
    second.communicate(timeout=PATIENCE_S)
    assert len(facts(folder, "evaluation")) < len(facts(whole, "evaluation"))

    assert marl_moe("resume", folder).exit_code == 0
    for part in ("", "search"):
        for name in TABLES:
            assert facts(folder / part, name).equals(facts(whole / part, name))
    assert (folder / "chosen.yaml").read_bytes() == (whole / "chosen.yaml").read_bytes()
    assert partials(folder) == []
