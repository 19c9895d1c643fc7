"""The benchmarks run at their smallest size and say what they should; nothing here is timed."""

import runpy
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from math import inf, isfinite, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

BENCHMARKS = Path(__file__).with_name("benchmarks")


@pytest.fixture(scope="module", autouse=True)
def _importable() -> Iterator[None]:
    """As `python tests/benchmarks` imports its modules; their plain names are forgotten afterwards,
    and Ray stops.
    """
    import ray

    ran = ray.is_initialized()
    torch.set_num_threads(1)
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))
    for path in BENCHMARKS.glob("[!_]*.py"):  # not __main__, which is that of pytest
        sys.modules.pop(path.stem, None)
    if not ran:
        ray.shutdown()


@pytest.fixture(scope="module")
def setting() -> Any:
    from time_to_quality import Setting

    return Setting(
        learning_rate=1e-3,
        gamma=0.5,
        target_entropy_ratio=0.1,
        replay_ratio=2,
        num_envs=2,
        warm_up=50,
    )


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


def test_the_array_api_port_is_measured_beside_the_world_and_two_processes_and_bounded_by_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import array_api

    monkeypatch.setattr(array_api, "COPIED_BYTES", 2**16)
    sizes = ((1, 2), (4, 2))
    rows = array_api.measure(
        sizes=sizes, num_experts=5, threads=(1,), compiled=False, repeats=1, seconds=0
    )
    ports = {"port, NumPy", "port, torch, threads: 1"}
    for (num_worlds, num_users), more in zip(sizes, (set(), {"World, two processes"}), strict=True):
        size = f"{num_worlds} x {num_users} x 5, "
        mine = {
            (row.variant.removeprefix(size), row.quantity): row
            for row in rows
            if row.variant.startswith(size)
        }
        assert {variant for variant, quantity in mine if quantity == "slot"} == {
            "World"
        } | ports | more
        assert {variant for variant, quantity in mine if quantity == "speed"} == ports | more
        assert all(row.median > 0 and isfinite(row.median) for row in mine.values())
        bound = mine["memory", "least a slot could take"].median
        assert bound == pytest.approx(
            mine["memory", "moved"].median / mine["memory", "copy"].median
        )  # MB / (GB/s)
        assert (
            mine["memory", "moved"].median * 1e6 > num_worlds * num_users * (4 + 5 * 10) * 4
        )  # the observations alone


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("kind", ["contention", "default", "persistent"])
def test_the_array_api_port_plays_the_episodes_of_the_world_with_the_same_draws(
    device: str | None, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import array_step
    from contention import contention_world

    from envs import World, WorldConfig

    def lent(seed: int, device: str) -> Any:  # the world's draws, for torch
        _, *streams = (
            np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)
        )
        draws = array_step.NumPyDraws(*streams)
        names = ("normal", "uniform", "uniform_double")
        return SimpleNamespace(
            **{
                name: lambda *shape, name=name: torch.as_tensor(getattr(draws, name)(*shape))
                for name in names
            }
        )

    monkeypatch.setattr(array_step, "TorchDraws", lent)
    config = (
        contention_world(7, 12)
        if kind == "contention"
        else WorldConfig(num_users=7, num_experts=12)
    )
    if kind == "persistent":  # where requests have several subtasks
        config = replace(
            config, requests=replace(config.requests, zipf_exponent=1.0, topic_persistence=0.6)
        )
    config = replace(config, episode_slots=8, experts=replace(config.experts, resample="episode"))
    world, port = World(config, num_worlds=3, seed=5), array_step.ArrayWorld(config, 3, 5, device)
    rng = np.random.default_rng(0)
    observation, seen = world.reset(), port.observation
    for _ in range(2):
        np.testing.assert_allclose(seen, observation.reshape(21, -1), rtol=1e-6, atol=1e-6)
        for _ in range(config.episode_slots):
            actions = rng.integers(config.num_experts + 1, size=(3, 7))
            observation, reward, result = world.step(actions)
            seen, gain, told = port.step(port.xp.asarray(actions.ravel()))
            np.testing.assert_allclose(seen, observation.reshape(21, -1), rtol=1e-6, atol=1e-6)
            np.testing.assert_array_equal(port.mask, world.slot.mask.reshape(21, -1))
            np.testing.assert_allclose(gain, reward.ravel(), rtol=1e-6)
            for name, values in told.items():
                np.testing.assert_allclose(
                    values, getattr(result, name).ravel(), rtol=1e-12, atol=1e-12, err_msg=name
                )
        observation, seen = world.reset(), port.reset()


def test_slopes_are_the_exponents_of_what_grows_as_a_power() -> None:
    from growth import slopes
    from report import frame, single

    sizes = (1, 4, 16, 64)
    costs = {
        ("users", "step"): 0.5,
        ("users", "update"): 0.0,
        ("experts", "step"): 1.0,
        ("experts", "update"): 1.2,
    }
    rows = [
        single("growth", f"{size} {axis}", cost, "ms", 3 * size**exponent)
        for (axis, cost), exponent in costs.items()
        for size in sizes
    ]
    assert slopes(frame(rows)) == pytest.approx(costs)


def curve(*shares: float) -> list[dict[str, float]]:
    return [
        {"seconds": float(second), "share_of_equilibrium": share}
        for second, share in enumerate(shares)
    ]


@pytest.mark.parametrize(
    ("shares", "seconds"),
    [
        ((0.0, 0.4, 0.5, 0.7, 0.6), 2.0),
        ((0.6, 0.6, 0.6, 0.0, 0.6, 0.7, 0.9), 4.0),  # luck at the start
        ((0.6, 0.7, 0.7), 0.0),
        ((0.0, 0.6, 0.6, 0.6, 0.4), None),
        ((0.0, 0.6, 0.7), None),  # too short to tell
    ],
)
def test_a_level_counts_from_where_on_it_holds(
    shares: tuple[float, ...], seconds: float | None
) -> None:
    from time_to_quality import time_to

    row = time_to(curve(*shares), 0.5)
    assert (None if row is None else row["seconds"]) == seconds


def test_factors_multiply_along_each_path_and_a_cap_makes_them_bounds() -> None:
    from quality_report import rows_of
    from time_to_quality import Caps

    runs = {
        ("rllib", "mlp"): (0.0, 0.1),
        ("rllib", "pointer"): (0.0, 0.9),
        ("ours", "mlp"): (0.0, 0.6),
    }
    seconds = {
        ("rllib", "mlp"): 900,
        ("rllib", "pointer"): 30,
        ("ours", "mlp"): 60,
        ("ours", "pointer"): 5,
    }
    table = pd.DataFrame(
        {
            "engine": engine,
            "network": network,
            "seed": 0,
            "seconds": at,
            "env_steps": 1,
            "updates": 1,
        }
        | {"share_of_equilibrium": share}
        for (engine, network), end in seconds.items()
        for start, reached in [runs.get((engine, network), (0.0, 0.9))]
        for at, share in ((0, start), (end, reached), (end + 1, reached), (end + 2, reached))
    )
    measured = rows_of(table, Caps(rllib_s=1000, ours_s=100))
    rows = {(row.variant, row.quantity): row.median for row in measured if row.unit in ("s", "")}
    assert rows["rllib mlp", "to 50% of equilibrium"] == inf
    assert rows["ours pointer", "to 50% of equilibrium"] == 5
    whole = rows["rllib mlp -> ours pointer", "sooner to 50%, at least times"]
    assert whole == pytest.approx(1000 / 5)
    by_network_first = rows["rllib mlp -> rllib pointer", "sooner to 50%, at least times"]
    assert by_network_first * rows[
        "rllib pointer -> ours pointer", "sooner to 50%, times"
    ] == pytest.approx(whole)
    by_engine_first = rows["rllib mlp -> ours mlp", "sooner to 50%, at least times"]
    assert by_engine_first * rows[
        "ours mlp -> ours pointer", "sooner to 50%, times"
    ] == pytest.approx(whole)


def test_the_best_setting_is_soonest_at_the_highest_level_that_any_reaches(setting: Any) -> None:
    from tuning import best

    def table(*outcomes: tuple[float, float, float]) -> pd.DataFrame:
        columns = ("seconds_to_50", "seconds_to_85", "share_at_end")
        settings = [asdict(replace(setting, gamma=number / 10)) for number in range(len(outcomes))]
        return pd.DataFrame(
            one | dict(zip(columns, row, strict=True))
            for one, row in zip(settings, outcomes, strict=True)
        )

    assert best(table((5, 40, 0.9), (9, 30, 0.9), (1, nan, 0.8))).gamma == 0.1
    assert best(table((9, nan, 0.6), (5, nan, 0.7), (nan, nan, 0.4))).gamma == 0.1
    assert best(table((nan, nan, 0.2), (nan, nan, 0.4), (nan, nan, -3))).gamma == 0.1


def test_a_cell_that_reached_nothing_is_given_what_is_best_for_its_network_elsewhere() -> None:
    from time_to_quality import CELLS, Setting
    from tuning import choice

    slow, fast = Setting(1e-3, 0.0, 0.1, 2, 4, 50), Setting(1e-3, 0.5, 0.1, 2, 4, 50)
    outcomes = {
        ("rllib", "mlp", slow): (nan, nan, 0.2),
        ("rllib", "mlp", fast): (nan, nan, -3.0),
        ("ours", "mlp", slow): (nan, nan, 0.3),
        ("ours", "mlp", fast): (60, nan, 0.8),
        ("rllib", "pointer", slow): (8, 9, 0.9),
        ("rllib", "pointer", fast): (20, nan, 0.6),
        ("ours", "pointer", slow): (3, 4, 0.9),
        ("ours", "pointer", fast): (1, 2, 0.9),
    }
    table = pd.DataFrame(
        {
            "engine": engine,
            "network": network,
            "seconds_to_50": half,
            "seconds_to_85": most,
            "share_at_end": end,
        }
        | asdict(setting)
        for (engine, network, setting), (half, most, end) in outcomes.items()
    )
    assert [choice(table, cell) for cell in CELLS] == [
        fast,
        slow,
        fast,
        fast,
    ]  # rllib's mlp, its pointer, ours


def test_each_cell_has_a_setting_out_of_the_same_list() -> None:
    from time_to_quality import CELLS
    from tuning import RESULT_FILE, SETTINGS, chosen

    tuned = pd.read_csv(RESULT_FILE)
    assert set(tuned.groupby(["engine", "network"])["learning_rate"].count()) >= {len(SETTINGS)}
    assert {chosen(cell) for cell in CELLS} <= set(SETTINGS)
