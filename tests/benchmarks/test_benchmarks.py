"""The benchmarks run at their smallest size and say what they should; nothing here is timed."""

import runpy
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

BENCHMARKS = Path(__file__).parent
pytestmark = pytest.mark.usefixtures("ray_started", "benchmarks_importable")


@pytest.fixture(scope="module")
def measured(setting: Any) -> tuple[list[Any], pd.DataFrame]:
    """Rows of every benchmark, and the learning curves."""
    import growth
    import mechanism_scale
    import mechanism_speed
    import memory
    import quality_report
    import scale
    import update_speed
    import world_speed
    from time_to_quality import Caps

    small = {"num_users": 2, "num_experts": 5, "episode_slots": 10}
    caps = Caps(rllib_s=1e-9, ours_s=1e-9)  # the first update ends a run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time_to_quality.EVALUATION_WORLDS", 2)
        quality, curves = quality_report.measure(caps, 2, 1, lambda cell: setting, **small)
    rows = [
        *world_speed.measure(sizes=((1, 2), (3, 2)), num_experts=5, repeats=2, seconds=0),
        *update_speed.measure(num_users=2, num_experts=5, repeats=3, seconds=0),
        *memory.measure(capacity=100),
        *growth.measure(users=(1, 2), experts=(5, 6), repeats=1, seconds=0),
        *scale.measure(sizes=((20, 60, 30),), repeats=1),
        *mechanism_speed.measure(sizes=((2, 3),), repeats=1, seconds=0),
        *mechanism_scale.measure(sizes=((2, 6, 6),), names=("vcg",), repeats=1),
        *quality,
    ]
    return rows, curves


def test_every_benchmark_yields_rows_that_say_what_was_measured_and_in_which_unit(
    measured: Any,
) -> None:
    rows, curves = measured
    assert {row.benchmark for row in rows} == {
        "world",
        "updates",
        "memory",
        "growth",
        "scale",
        "mechanisms",
        "quality",
    }
    names = [(row.benchmark, row.variant, row.quantity, row.unit) for row in rows]
    assert len(set(names)) == len(names)
    for row in rows:
        assert row.least <= row.median <= row.most
        assert row.least > 0 or row.quantity in (
            "best share of equilibrium",
            "step, slope",
            "update, slope",
            "memory",
        )
        assert isfinite(row.median) or row.benchmark == "quality"
    assert set(curves.groupby(["engine", "network"])["seed"].nunique().items()) == {
        (("rllib", "mlp"), 1),
        (("rllib", "pointer"), 2),
        (("ours", "mlp"), 1),
        (("ours", "pointer"), 2),
    }
    assert (curves["updates"] == 1).all()


def test_a_slot_is_measured_under_each_channel_process_beside_iid() -> None:
    import channel_speed

    rows = channel_speed.measure(2, 3, 5, repeats=2, seconds=0)
    assert [(row.variant, row.unit) for row in rows] == [
        ("iid", "ms"),
        ("gauss_markov", "ms"),
        ("geometric", "ms"),
        ("gauss_markov", "ratio"),
        ("geometric", "ratio"),
    ]
    assert all(0 < row.least <= row.median <= row.most for row in rows)


def test_the_sections_of_an_update_add_up_to_all_of_it_and_none_is_left_out(measured: Any) -> None:
    from update_speed import BARE, OURS, SECTIONS

    for variant in (OURS, BARE):
        spent = {
            row.quantity: row.median
            for row in measured[0]
            if row.variant == variant and row.quantity in SECTIONS
        }
        assert set(spent) == set(SECTIONS)
        assert all(milliseconds > 0 for milliseconds in spent.values())
        assert spent["rest"] < spent["forward"] + spent["backward"] + spent["optimisers"]


@pytest.mark.parametrize(("command", "rllib_cap"), [("all", 60), ("all --long", 900)])
def test_make_bench_writes_table_csv_figures_and_the_machine_into_a_folder_of_its_own(
    measured: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, rllib_cap: float
) -> None:
    main = runpy.run_path(str(BENCHMARKS / "__main__.py"))
    rows, curves = measured
    parts = {
        "world_speed": "world",
        "update_speed": "updates",
        "memory": "memory",
        "growth": "growth",
        "scale": "scale",
        "mechanism_speed": "mechanisms",
    }
    for module, name in parts.items():
        part = [row for row in rows if row.benchmark == name]
        monkeypatch.setattr(main[module], "measure", lambda part=part, **kwargs: part)
    monkeypatch.setattr(main["mechanism_speed"], "measure_training", lambda **kwargs: [])
    monkeypatch.setattr(main["mechanism_scale"], "measure", lambda **kwargs: [])
    asked: list[Any] = []
    quality = [row for row in rows if row.benchmark == "quality"]
    monkeypatch.setattr(
        main["quality_report"],
        "measure",
        lambda caps, **kwargs: asked.append(caps) or (quality, curves),
    )
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    result = CliRunner().invoke(
        main["app"], [*command.split(), "--out", str(folder)], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert [caps.rllib_s for caps in asked] == [rllib_cap]
    figures = ("growth", "memory", "scale", "time_to_quality", "updates", "world")
    pictures = {f"{name}.{suffix}" for name in figures for suffix in ("pdf", "png")}
    tables = {"benchmarks.csv", "learning_curves.csv", "environment.json"}
    assert {path.name for path in (tmp_path / "benchmarks-2").iterdir()} == pictures | tables
    assert not list(folder.iterdir())
    assert len(pd.read_csv(tmp_path / "benchmarks-2" / "benchmarks.csv")) == len(rows)


def test_the_bare_loop_learns_from_the_loss_that_our_learner_learns_from() -> None:
    from update_speed import BareLoop, built

    from marl_moe.policies.networks import NetworkConfig

    algorithm = built(2, 5)
    learner = algorithm.learner_group._learner
    module = learner.module["shared"].unwrapped()
    bare = BareLoop(
        NetworkConfig(**module.model_config), algorithm.config, algorithm.local_replay_buffer, 2
    )
    bare.actor.load_state_dict(module.actor.state_dict())
    bare.critic.load_state_dict(module.critic.state_dict())
    bare.target_critic.load_state_dict(module.target_critic.state_dict())
    (columns,) = bare.sample(1)
    batch = {
        "shared": dict(
            zip(("obs", "actions", "rewards", "new_obs", "discounts"), columns, strict=True)
        )
    }
    output = learner.module.forward_train(batch)
    ours = learner.compute_losses(fwd_out=output, batch=batch)["shared"]
    torch.testing.assert_close(bare.losses(*columns), ours.squeeze(), rtol=1e-4, atol=1e-5)
    algorithm.stop()
