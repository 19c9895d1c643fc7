"""One small run with everything on, its recording, and a page of it."""

from pathlib import Path
from typing import Any

import pytest

import marl_moe
from marl_moe.report.player.section import player_section
from marl_moe.report.section import Section

from .harness import page_of


@pytest.fixture(scope="session")
def run(
    ray_started: None, tiny_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> marl_moe.Run:
    """Return a run of users and experts in places, with prices, learned policies and rules."""
    experiment = tiny_experiment | {
        "name": "watched",
        "seeds": 1,
        "env": tiny_experiment["env"]
        | {"num_users": 4, "channel": {"process": "geometric", "geometry": {"area_m": [300, 200]}}},
        "evaluation": {
            "episodes": 3,
            "policies": [
                "local",
                "random",
                {"name": "crowd", "threshold": 0.8, "as": "<b>crowd</b>"},
                "greedy",
                "nash",
                "max_snr",
                "abandon",
            ],
        },
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        return marl_moe.run(experiment, out=tmp_path_factory.mktemp("out"), progress=False)


@pytest.fixture(scope="session")
def section(run: marl_moe.Run) -> Section:
    """Return the section of two episodes of the run."""
    told = player_section(run.run_folder, episodes=2)
    assert isinstance(told, Section)
    return told


@pytest.fixture(scope="session")
def page(section: Section, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page of the section alone."""
    path = tmp_path_factory.mktemp("page") / "player.html"
    path.write_text(page_of(section.data), encoding="utf-8")
    return path
