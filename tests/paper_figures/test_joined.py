"""Several runs in one figure: a policy of each is a curve of its own, in the policy's colour."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from paper_figures import FIGURES, CannotDraw, data, render
from paper_figures.drawing import drawing
from paper_figures.joined import joined, letters
from paper_figures.style import curve, policy_style

Tables = dict[str, pd.DataFrame]
OF_ONE_RUN = {
    *("final_rewards", "price_of_anarchy", "pricing", "price_response", "price_paths", "budgets"),
    *("manipulation", "two_sided", "reports", "exploitability"),
}


@pytest.fixture(scope="module")
def swept(make_contention: Callable[..., Tables]) -> Tables:
    gains = {name: [2.0 + shift] * 6 for name, shift in (("nash", 0.5), ("sac", 0), ("crowd", -1))}
    runs = {run: make_contention(seeds=2, episodes=2, gains=gains) for run in "AB"}
    runs["B"]["evaluation"]["gain"] += 0.25
    return joined(runs)


@pytest.mark.parametrize("name", ["contention", "sensitivity", "policies", "reliability"])
def test_each_policy_of_each_run_is_drawn_at_its_mean(swept: Tables, name: str) -> None:
    rendered = render(swept, [name], runs="AB")
    assert rendered.refused == rendered.failed == {}
    [figure] = rendered.figures.values()
    names = {f"{policy} ({run})" for policy in ("nash", "sac", "crowd") for run in "AB"}
    assert set(data(figure)["policy"]) == names
    if name == "contention":
        lines = {str(line.get_label()): line for line in figure.axes[0].get_lines()}
        a, b = lines["SAC (A)"], lines["SAC (B)"]
        np.testing.assert_allclose(np.subtract(b.get_ydata(), a.get_ydata()), 0.25)
        assert to_hex(a.get_color()) == to_hex(b.get_color())
        assert a.get_linestyle() != b.get_linestyle()
        assert (a.get_fillstyle(), b.get_markerfacecolor()) == ("full", "white")
        assert a.get_linewidth() == b.get_linewidth() > lines["Crowd (A)"].get_linewidth()


def test_figures_of_training_draw_each_run(
    tables: Tables, make_algorithms: Callable[..., Tables]
) -> None:
    trained = joined({"A": tables, "B": tables})
    [figure] = render(trained, ["reward_curves"], runs="AB").figures.values()
    shown = {f"{name} ({run})" for name in ("sac", "local", "abandon", "random") for run in "AB"}
    assert set(data(figure)["policy"]) == shown
    ways = make_algorithms(epochs=20)
    rendered = render(joined({"A": ways, "B": ways}), ["sample_efficiency"], runs="AB")
    [figure] = rendered.figures.values()
    assert set(data(figure)["policy"]) == {
        f"{name} ({run}) network={network}"
        for name, network in (("sac", "pointer"), ("sac", "mlp"), ("ppo", "mlp"))
        for run in "AB"
    }


def test_figures_of_one_run_say_why(swept: Tables) -> None:
    refused = render(swept, runs="AB").refused
    assert {name for name in FIGURES if refused.get(name, "").startswith("compare: ")} == OF_ONE_RUN


def test_the_first_run_looks_as_if_it_were_alone() -> None:
    alone = curve("crowd")
    with drawing(runs="AB"):
        assert curve("crowd (A)") == alone | {"label": "Crowd (A)"}
        assert policy_style("crowd (B)").colour == alone["color"]
    assert policy_style("crowd (A)").colour != alone["color"]  # a name like any other


def test_points_are_those_of_all_runs_whatever_the_order_of_their_keys(
    make_tables: Callable[..., Tables],
) -> None:
    first = make_tables(
        seeds=1, epochs=2, episodes=2, points=["env.a=1 env.b=2", "env.a=2 env.b=2"]
    )
    second = make_tables(
        seeds=1, epochs=2, episodes=2, points=["env.b=2 env.a=2", "env.b=3 env.a=2"]
    )
    both = joined({"A": first, "B": second})
    for name in ("training", "evaluation"):
        assert set(both[name]["point"]) == {"env.a=2 env.b=2"}
        assert both[name]["settings"].nunique() == 1
    with pytest.raises(CannotDraw, match=r"no sweep point in common \(A has 2, B has 1\)"):
        joined({"A": first, "B": make_tables(seeds=1, epochs=2, episodes=2)})


@pytest.mark.parametrize("count", [0, 1, 7])
def test_one_run_or_too_many_are_refused(count: int) -> None:
    with pytest.raises(CannotDraw, match=f"2 to 6 runs .* got {count}"):
        letters(count)
