"""A small run of two prices and two seeds, its report, and a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import marl_moe
from marl_moe.report.page import write_report

Yaml = dict[str, Any]
BROWSERS = ("chromium", "chromedriver")


@pytest.fixture(scope="session")
def run(tiny_experiment: Yaml, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that trains at two sweep points, with two seeds."""
    changes = {
        "name": "priced",
        "sweep": {"mechanism.price": [2.0, 3.0]},
        "mechanism": {"name": "posted_price", "price": 2.0},
        "figures": ["policies"],
        "algorithm": tiny_experiment["algorithm"] | {"stop": {"training_iteration": 4}},
        "evaluation": {"episodes": 3, "policies": ["nash", "greedy", "random", "abandon"]},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)  # in this process: others take seconds to start
        out = tmp_path_factory.mktemp("runs")
        return marl_moe.run(tiny_experiment | changes, out=out, progress=False).folder


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
