"""A small run of two prices and two seeds, its report, and a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import marl_moe
from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.records.tables import write_table
from marl_moe.report.page import write_report

Yaml = dict[str, Any]
BROWSERS = ("chromium", "chromedriver")


@pytest.fixture(scope="session")
def run(tiny_experiment: Yaml, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of rules at two prices, with two seeds.

    Beside its tables lies one of training, of numbers that nothing learned: Ray would take seconds.
    """
    changes = {
        "name": "priced",
        "algorithm": None,
        "sweep": {"mechanism.price": [2.0, 3.0]},
        "mechanism": {"name": "posted_price", "price": 2.0},
        "figures": ["policies"],
        "evaluation": {"episodes": 3, "policies": ["nash", "greedy", "random", "abandon"]},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)  # in this process: others take seconds to start
        out = tmp_path_factory.mktemp("runs")
        made = marl_moe.run(tiny_experiment | changes, out=out, progress=False)
    write_table(made.folder, "training", curves(made.evaluation))
    return made.folder


def curves(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `training.parquet` of each seed and sweep point: four epochs of known numbers.

    gain = epoch + seed / 2, entropy = 1 / epoch, one update a slot; all else has no value.
    """
    jobs = evaluation.drop_duplicates(["seed", "point"])[["seed", "point", "settings"]]
    rows = jobs.merge(pd.DataFrame({"epoch": range(1, 5)}), how="cross")
    rows = rows.assign(
        algorithm="sac",
        gain=rows["epoch"] + rows["seed"] / 2,
        entropy=1 / rows["epoch"],
        seconds=rows["epoch"] * 0.5,
        **dict.fromkeys(("env_steps", "agent_steps", "updates"), 20 * rows["epoch"]),
    )
    return rows.reindex(columns=list(TABLES["training"]))


@pytest.fixture(scope="session")
def written(run: Path) -> Path:
    """Return the report of the run."""
    return write_report([run])


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return Chromium without a window, which tells of errors and of what it requests."""
    missing = [name for name in BROWSERS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} here (apt-get install chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1200,900"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()
