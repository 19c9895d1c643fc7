"""Keys of worlds that went: the same words from YAML, `--set`, sweeps, searches and Python."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import marl_moe
from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.run.checks import checked_search
from marl_moe.experiment.spec.files import find_experiment
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.sweep import sweep_points
from marl_moe.rllib.environments import make_edge_experts

Yaml = dict[str, Any]
KEY = "env.channel.noise_scaling"
WENT = (
    "noise_scaling went with the first model: access: spectral_density | total_power says how a "
    "band is shared"
)
WORLD = {"channel": {"noise_scaling": True}}
STOP = {"training_iteration": 1}
SECTIONS: dict[str, tuple[Yaml, str]] = {
    "env": ({"env": WORLD}, f"FILE: {KEY}"),
    "evaluation": ({"evaluation": {"env": WORLD}}, f"FILE: experiment: evaluation.{KEY}"),
    "pretraining": (
        {"algorithm": {"pretraining": {"env": WORLD, "stop": STOP}}},
        f"FILE: experiment: algorithm.pretraining.{KEY}",
    ),
    "size": ({"sizes": {"fast": {"env": WORLD}}}, f"FILE: sizes.fast: {KEY}"),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_key_that_went_is_told_with_file_key_and_successor(section: str) -> None:
    raw, where = SECTIONS[section]
    with pytest.raises(SpecError) as refused:
        parse_experiment({"name": "old"} | raw, "FILE")
    assert str(refused.value) == f"{where}: {WENT}"


@pytest.mark.parametrize("keys", [{KEY: [True, False]}, {"env": {"channel": [WORLD["channel"]]}}])
def test_a_sweep_over_it_is_refused_in_the_same_words(keys: Yaml) -> None:
    spec = parse_experiment({"name": "old", "sweep": keys}, "FILE")
    with pytest.raises(SpecError, match=f"^old: sweep env.channel.*: {KEY}: noise_scaling went"):
        sweep_points(spec)


def test_a_search_over_it_is_refused_in_the_same_words() -> None:
    search = {KEY: {"choice": [True, False]}, "trials": 2}
    spec = parse_experiment({"name": "old", "search": search}, "FILE")
    with pytest.raises(SpecError) as refused:
        checked_search(spec)
    assert str(refused.value).endswith(f"{KEY}: {WENT}")


def test_an_option_that_sets_it_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    command = ["run", "quickstart", "--set", f"{KEY}=true", "--out", str(tmp_path / "results")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    file = find_experiment("quickstart")
    assert result.stderr.replace("\n", " ").strip().endswith(f"{file}: {KEY}: {WENT}")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("give", "where"),
    [
        (lambda: marl_moe.run({"name": "old"}, env=WORLD), f"old: {KEY}"),
        (lambda: make_edge_experts(WORLD), "env_config.channel.noise_scaling"),
    ],
    ids=["run", "env_config"],
)
def test_python_is_told_the_same(give: Callable[[], Any], where: str) -> None:
    with pytest.raises(ValueError, match="went with") as refused:
        give()
    assert str(refused.value) == f"{where}: {WENT}"
