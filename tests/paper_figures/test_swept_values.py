"""Values of any kind come through figures, means and export unmixed, on the data drawn."""

import csv
import io
import json
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from paper_figures import FIGURES
from paper_figures.export import marl_eval
from paper_figures.means import means
from paper_figures.plots import policies, pricing, reliability, sample_efficiency, sensitivity

Tables = dict[str, pd.DataFrame]
Point = tuple[str, dict[str, Any]]  # label and settings

COSTS = ([0.0, 1.0], [0.0, 9.0])
VALUES: list[Any] = [
    *(["a b", "a b=c d", "env.x=1 env.y=2"], [True, False], [None, "None", "null"]),
    *([[1, 2], [1, [2]], "[1, 2]"], ["1", 1, True], [{"a": {"b": 1}}, {"a": {"b": "1"}}]),
]
LABELS = ["any text = at all", "network=mlp", "a, b $x$", {"network": "mlp"}, {"network": "mlp x"}]


def tables_of(points: Sequence[Point], policies: Sequence[str] = ("sac", "greedy")) -> Tables:
    """Two seeds of two episodes; at point i "sac" gains i + 1, others 100 times that."""
    training, evaluation = [], []
    for (number, (point, settings)), seed in product(enumerate(points, start=1), range(2)):
        key = {"seed": seed, "point": point, "settings": json.dumps(settings)}
        for policy, episode in product(policies, range(2)):
            gain = number * (1.0 if policy == "sac" else 100.0)
            row = {"policy": policy, "episode": episode, "gain": gain, "utility": 40.0 + gain}
            evaluation.append(key | row)
        for epoch in (1, 2):
            clocks = {"agent_steps": 10 * epoch, "env_steps": 5 * epoch, "seconds": 1.0 * epoch}
            row = {"algorithm": "sac", "epoch": epoch, "gain": 1.0 * number, "utility": 40.0}
            training.append(key | row | clocks)
    return {"training": pd.DataFrame(training), "evaluation": pd.DataFrame(evaluation)}


def line(ax: Axes, start: str) -> list[tuple[float, float]]:
    """The (x, y) of the one line whose label begins so."""
    [found] = [line for line in ax.get_lines() if str(line.get_label()).startswith(start)]
    return [(float(x), float(y)) for x, y in found.get_xydata()]


def test_a_sweep_over_users_and_lists_has_a_panel_for_each_list_and_not_their_mean() -> None:
    points = [
        (
            f"env.num_users={users} env.experts.unit_cost={cost}",
            {"env.num_users": users, "env.experts.unit_cost": cost},
        )
        for users in (1, 2, 4)
        for cost in COSTS
    ]
    figure = FIGURES["sensitivity"].plot(tables_of(points))
    cheap, dear = figure.axes
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "Unit cost: [0.0, 1.0]",
        "Unit cost: [0.0, 9.0]",
    ]
    assert cheap.get_xlabel() == dear.get_xlabel() == "Number of users"
    assert line(cheap, "SAC") == [(1, 1), (2, 3), (4, 5)]
    assert line(dear, "SAC") == [(1, 2), (2, 4), (4, 6)]
    assert line(cheap, "Greedy") == [(1, 100), (2, 300), (4, 500)]
    assert line(dear, "Greedy") == [(1, 200), (2, 400), (4, 600)]


@pytest.mark.parametrize("values", VALUES)
def test_values_of_any_kind_have_a_tick_each_on_the_axis_and_a_panel_each_beside_it(
    values: list[Any],
) -> None:
    alone = [(f"point {n}", {"env.key": value}) for n, value in enumerate(values)]
    [ax] = sensitivity.plot(tables_of(alone)).axes
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert len(set(ticks)) == len(values)
    assert line(ax, "SAC") == [(place, place + 1) for place in range(len(values))]

    both = [
        (f"point {n} {users}", {"env.key": value, "env.num_users": users})
        for n, value in enumerate(values)
        for users in (1, 2, 4, 8)
    ]
    figure = sensitivity.plot(tables_of(both))
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert len(set(titles)) == len(figure.axes) == len(values)
    for number, panel in enumerate(figure.axes):
        assert [y for _, y in line(panel, "SAC")] == [4 * number + n for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("values", VALUES)
def test_values_of_any_kind_have_rows_of_their_own_in_means_and_tasks_in_the_export(
    values: list[Any],
) -> None:
    # Labels that are alike do not mix what is not.
    points = [("one label = for all", {"env.key": value}) for value in values]
    tables = tables_of(points)
    text = means(tables).to_csv(index=False)
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["metric"] == "gain"]
    of_sac = [row for row in rows if row["policy"] == "sac"]
    assert [row["settings"] for row in of_sac] == [json.dumps({"env.key": v}) for v in values]
    assert [float(row["mean"]) for row in of_sac] == list(range(1, len(values) + 1))

    tasks = marl_eval(tables, "mine")["mine"]
    assert len(tasks) == len(values)
    for number, runs in enumerate(tasks.values(), start=1):
        assert runs["sac"]["seed_0"]["absolute_metrics"]["gain"] == [number] * 2
        assert runs["sac"]["seed_0"]["step_2"]["gain"] == [number]

    figure = policies.plot(tables)
    assert len(figure.axes) == 2 * len(values)
    for number, ax in enumerate(figure.axes[1::2], start=1):
        drawn = {container.lines[0].get_xdata()[0] for container in ax.containers}
        assert drawn == {number, 100 * number}


def test_mechanisms_whose_parameters_are_of_any_kind_have_a_row_each() -> None:
    sections = [{"name": "fisher", "key": value} for value in ("a b=c", [0, 1], None, True)]
    tables = tables_of([(f"point {n}", {"mechanism": s}) for n, s in enumerate(sections)])
    columns = ("qos", "unit_price", "edge_utility", "platform_balance")
    rows = tables["evaluation"].assign(
        mechanism="fisher", num_users=1, **dict.fromkeys(columns, 0.0)
    )
    price, _, utility = pricing.plot({"evaluation": rows}).axes
    assert [text.get_text() for text in price.get_yticklabels()] == [
        "Fisher, key a b=c",
        "Fisher, key [0, 1]",
        "Fisher, key None",
        "Fisher, key True",
    ]
    users = [c.lines[0] for c in utility.containers if c.lines[0].get_color() == "#004488"]
    assert [mark.get_xdata()[0] for mark in users] == [1, 2, 3, 4]


@pytest.fixture
def labelled() -> Tables:
    """SAC trained in five ways whose labels have blanks, `=`, commas and dollar signs."""
    points = [
        (f"point {n} {users}", {"algorithm": {"name": "sac", "label": label}, "env.users": users})
        for n, label in enumerate(LABELS)
        for users in (1, 2)
    ]
    return tables_of(points)


def test_labels_of_any_text_are_lines_and_legend_entries_of_their_own(labelled: Tables) -> None:
    shown = [
        "SAC, any text = at all",
        "SAC, network=mlp",
        r"SAC, a, b \$x\$",
        "SAC, MLP",
        "SAC, mlp x",
    ]
    figure = sensitivity.plot(labelled)
    figure.draw_without_rendering()
    [ax] = figure.axes
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:6] == [*shown, "Greedy"]
    for number, name in enumerate(shown):
        [drawn] = [line for line in ax.get_lines() if line.get_label() == name]
        np.testing.assert_allclose(drawn.get_ydata(), [2 * number + 1, 2 * number + 2])

    names = {text.get_text() for text in reliability.plot(labelled).axes[0].get_yticklabels()}
    assert names == {*shown, "Greedy"}

    first = labelled["training"]["settings"].str.contains('"env.users": 1')
    panel = sample_efficiency.plot({"training": labelled["training"][first]}).axes[0]
    for number, name in enumerate(shown):
        [drawn] = [line for line in panel.get_lines() if line.get_label() == name]
        np.testing.assert_allclose(drawn.get_ydata(), 2 * number + 1)


def test_labels_of_any_text_are_policies_of_their_own_in_the_export(labelled: Tables) -> None:
    tasks = marl_eval(labelled, "mine")["mine"]
    assert list(tasks) == ["env.users=1", "env.users=2"]
    for shift, runs in enumerate(tasks.values()):
        assert list(runs) == [
            "sac any text = at all",
            "greedy",
            "sac network=mlp",
            "sac a; b $x$",
            "sac network=mlp (2)",
            "sac network=mlp x",
        ]
        gains = [
            run["seed_1"]["absolute_metrics"]["gain"][0]
            for name, run in runs.items()
            if "sac" in name
        ]
        assert gains == [2 * number + 1 + shift for number in range(5)]
