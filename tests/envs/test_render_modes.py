"""Render modes of the PettingZoo view: frames, windows, and machines without a display."""

import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from pettingzoo.test.render_test import render_test
from pettingzoo.utils import parallel_to_aec

import mechanisms
from envs import ExpertConfig, RequestConfig, WorldConfig, edge_experts_v0

REPOSITORY = Path(__file__).parents[2]
PATCHY = WorldConfig(
    num_users=8,
    episode_slots=12,
    requests=RequestConfig(arrival_probability=0.4),
    experts=ExpertConfig(availability_probability=0.7, max_concurrent=2),
)


def test_rgb_frames_are_images_that_change_from_slot_to_slot() -> None:
    env = edge_experts_v0.parallel_env(
        PATCHY, mechanisms.make("posted_price"), render_mode="rgb_array"
    )
    env.reset(seed=0)
    frames = [env.render()]
    for _ in range(3):
        env.step({agent: u for u, agent in enumerate(env.agents)})
        frames.append(env.render())
    for frame in frames:
        assert frame.shape == (880, 1280, 3)
        assert frame.dtype == np.uint8
    for earlier, later in pairwise(frames):
        assert (earlier != later).any()
    env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), frames[0])


@pytest.mark.filterwarnings("ignore:render_mode='human' shows no window")
def test_pettingzoos_render_test_passes() -> None:
    pyplot.switch_backend("agg")
    render_test(
        lambda render_mode: parallel_to_aec(
            edge_experts_v0.parallel_env(PATCHY, render_mode=render_mode)
        )
    )
    pyplot.close("all")


def test_an_unknown_render_mode_raises_and_names_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"'human', 'rgb_array'.*got 'ansi'"):
        edge_experts_v0.parallel_env(render_mode="ansi")


def test_rendering_before_the_first_reset_raises() -> None:
    env = edge_experts_v0.parallel_env(render_mode="rgb_array")
    with pytest.raises(RuntimeError, match="reset"):
        env.render()


def test_without_a_render_mode_rendering_warns_and_returns_nothing() -> None:
    env = edge_experts_v0.parallel_env()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.render() is None


def test_closing_frees_the_figure() -> None:
    pyplot.switch_backend("agg")
    for mode in ("human", "rgb_array"):
        for _ in range(2):  # a closed env may be reset again
            env = edge_experts_v0.parallel_env(PATCHY, render_mode=mode)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                env.reset(seed=0)
                env.step(dict.fromkeys(env.agents, 0))
                env.render()
            assert len(pyplot.get_fignums()) == (mode == "human")
            env.close()
            assert pyplot.get_fignums() == []


def test_a_window_follows_the_episode_and_stays_closed_once_its_reader_closed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []

    class Manager(FigureManagerBase):
        def show(self) -> None:
            shown.append("window")

    class Canvas(FigureCanvasAgg):
        manager_class = Manager

        def start_event_loop(self, timeout: float = 0) -> None:
            shown.append(
                env._renderer.header.values["slot"].get_text() if env._renderer else "window first"
            )

    backend = ModuleType("windows")
    backend.FigureCanvas = Canvas  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "windows", backend)
    pyplot.switch_backend("module://windows")
    env = edge_experts_v0.parallel_env(PATCHY, render_mode="human")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset(seed=0)
        for _ in range(3):
            env.step(dict.fromkeys(env.agents, 0))
        assert shown == ["window", "1 / 12", "1 / 12", "2 / 12", "3 / 12"]
        pyplot.close("all")
        env.step(dict.fromkeys(env.agents, 0))
        env.reset(seed=1)
        assert len(shown) == 5
        env.close()
        env.reset(seed=1)
        assert shown[5:] == ["window", "1 / 12"]
        env.close()
    assert pyplot.get_fignums() == []
    pyplot.switch_backend("agg")


@pytest.mark.parametrize("backend", ["Agg", "TkAgg"])
def test_without_a_display_human_mode_warns_once_and_the_episode_goes_on(backend: str) -> None:
    code = f"""
import os, warnings
os.environ["MPLBACKEND"] = "{backend}"
for display in ("DISPLAY", "WAYLAND_DISPLAY"):
    os.environ.pop(display, None)
from envs import edge_experts_v0
env = edge_experts_v0.parallel_env(num_users=2, episode_slots=3, render_mode="human")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    env.reset(seed=0)
    while env.agents:
        env.step(dict.fromkeys(env.agents, 0))
        assert env.render() is None
    env.close()
print(*[warning.message for warning in caught if warning.category is RuntimeWarning], sep="; ")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("shows no window") == 1
    assert "rgb_array" in done.stdout


def test_only_a_render_mode_imports_matplotlib_and_only_a_window_pyplot() -> None:
    code = """
import sys
from envs import edge_experts_v0
env = edge_experts_v0.parallel_env(num_users=2)
env.reset(seed=0)
print("matplotlib" in sys.modules)
env = edge_experts_v0.parallel_env(num_users=2, render_mode="rgb_array")
env.reset(seed=0)
env.render()
print("matplotlib" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["False", "True", "False"], done.stderr
