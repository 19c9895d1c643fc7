"""Values and labels of a sweep come through the command unmixed: tables, figures and exports."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from marl_moe.cli import app
from paper_figures import render

Yaml = dict[str, Any]
Write = Callable[[Yaml | str], Path]
COSTS = ([0.0, 1.0], [0.0, 9.0])
USERS = (1, 2, 4)
LABELS = ("a b = c, {d}", 'quotes " and / and ü', "=", "label=two words")


def marl_moe(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def run(experiment: Yaml, write: Write, out: Path) -> Path:
    """Run an experiment of policies that do not learn; returns its folder."""
    plain = experiment | {"algorithm": None, "seeds": 2, "figures": []}
    marl_moe("run", write(plain), "--out", out)
    return out / "tiny"


@pytest.mark.usefixtures("one_core")
def test_two_lists_of_costs_are_two_lines_and_no_mean_of_both(
    tiny_experiment: Yaml, write_experiment: Write, tmp_path: Path
) -> None:
    sweep = {"env": {"num_users": list(USERS), "experts": {"unit_cost": [*COSTS]}}}
    evaluation = {"episodes": 3, "policies": ["greedy"]}
    swept = tiny_experiment | {"sweep": sweep, "evaluation": evaluation}
    folder = run(swept, write_experiment, tmp_path)

    table = pd.read_parquet(folder / "evaluation.parquet")
    settings = table["settings"].map(json.loads)
    assert all(set(of_row) == {"env.num_users", "env.experts.unit_cost"} for of_row in settings)
    cost = settings.map(lambda of_row: tuple(of_row["env.experts.unit_cost"]))
    means = table.groupby([cost, "num_users"])["gain"].mean()

    figures, *_ = render(folder, ["sensitivity"])
    panels = [ax for ax in figures["sensitivity"].get_axes() if ax.get_lines()]
    assert len(panels) == len(COSTS)
    for panel, swept_cost in zip(panels, COSTS, strict=True):
        drawn = {
            tuple(line.get_xdata()): np.asarray(line.get_ydata()) for line in panel.get_lines()
        }
        assert str(swept_cost[1]) in panel.get_title(loc="left")
        np.testing.assert_allclose(drawn[USERS], means[tuple(swept_cost)].loc[list(USERS)])


@pytest.mark.usefixtures("one_core")
def test_labels_of_any_text_come_through_table_figure_and_export(
    tiny_experiment: Yaml, write_experiment: Write, tmp_path: Path
) -> None:
    experts = [
        {"label": label, "unit_cost": [0.0, 1.0 + number]} for number, label in enumerate(LABELS)
    ]
    evaluation = {"episodes": 2, "policies": ["greedy"]}
    swept = tiny_experiment | {"sweep": {"env": {"experts": experts}}, "evaluation": evaluation}
    folder = run(swept, write_experiment, tmp_path)

    table = pd.read_parquet(folder / "evaluation.parquet")
    told = [json.loads(text)["env.experts"]["label"] for text in table["settings"].unique()]
    assert told == list(LABELS)
    assert [point.partition("=")[2] for point in table["point"].unique()] == list(LABELS)

    figures, *_ = render(folder, ["sensitivity", "policies"])
    ticks = [tick.get_text() for tick in figures["sensitivity"].get_axes()[0].get_xticklabels()]
    titles = [ax.get_title(loc="left") for ax in figures["policies"].get_axes()]
    for label in LABELS:
        assert any(label in tick for tick in ticks), (label, ticks)
        assert any(label in title for title in titles), (label, titles)

    marl_moe("export", folder, "--format", "csv", "--out", tmp_path / "means.csv")
    means = pd.read_csv(tmp_path / "means.csv")
    assert [json.loads(text) for text in means["settings"].unique()] == [
        json.loads(text) for text in table["settings"].unique()
    ]
    marl_moe("export", folder, "--out", tmp_path / "marl_eval.json")
    exported = json.loads((tmp_path / "marl_eval.json").read_text())["tiny"]
    assert [task.partition("=")[2] for task in exported] == list(LABELS)
