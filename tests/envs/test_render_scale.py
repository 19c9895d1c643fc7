"""The scale of a map: of all frames, as the bar says, and such that everybody is on it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import ChannelConfig, World, WorldConfig, edge_experts_v0
from envs.channel import Arrays, ChannelProcess, register
from envs.channel.process import Positions
from envs.render import WorldRenderer

WALKS = {"model": "random_waypoint", "speed_m_s": [5.0, 20.0], "start_at": "placement"}


def city(num_users: int, num_experts: int, area_m: tuple[float, float]) -> WorldConfig:
    ends = {"users": {"mobility": WALKS}, "experts": {"mobility": WALKS}}
    channel = ChannelConfig(
        process="geometric",
        bandwidth_hz=1e6,
        tx_power_w=0.1,
        geometry={"area_m": area_m} | ends,
    )
    return WorldConfig(num_users=num_users, num_experts=num_experts, channel=channel)


def test_a_metre_is_as_long_in_both_directions_and_as_long_as_the_bar_says() -> None:
    for area_m in [(1000, 1000), (3000, 400), (300, 900)]:
        renderer = WorldRenderer(World(city(3, 6, area_m), seed=0).slot)
        renderer.frame()
        drawn = renderer.choices
        assert drawn.axes.get_xlim() == (0, area_m[0])
        assert drawn.axes.get_ylim() == (0, area_m[1])
        pixel = drawn.axes.transData.transform
        x, y = pixel([(100, 0), (0, 100)]) - pixel((0, 0))
        assert x[0] == pytest.approx(y[1], rel=1e-6)
        number, unit = drawn.bar_length.get_text().split()
        metres = float(number) * {"m": 1, "km": 1000}[unit]
        assert metres <= area_m[0] / 4
        pixels = np.ptp(drawn.bar.get_xdata()) * 1280
        assert pixels == pytest.approx(metres * x[0] / 100, rel=1e-3)
        assert float(f"{metres:e}".split("e")[0]) in (1, 2, 5)


def test_frames_of_an_episode_have_one_scale_and_repeat_under_one_seed() -> None:
    config = city(6, 8, (1000, 1000))
    env = edge_experts_v0.parallel_env(
        config, mechanisms.make("posted_price"), render_mode="rgb_array"
    )
    episodes: list[list[np.ndarray]] = []
    for _ in range(2):
        env.reset(seed=0)
        frames, limits = [env.render()], set()
        for _ in range(4):
            env.step({agent: u for u, agent in enumerate(env.agents)})
            frames.append(env.render())
            assert env._renderer is not None
            limits.add(env._renderer.choices.axes.axis())
        assert limits == {(0, 1000, 0, 1000)}
        assert {frame.shape for frame in frames if frame is not None} == {(880, 1280, 3)}
        episodes.append([frame for frame in frames if frame is not None])
    for earlier, later in pairwise(episodes[0]):
        assert (earlier != later).any()
    np.testing.assert_array_equal(*episodes)


@register("departing")
@dataclass(frozen=True)
class Departing(ChannelProcess):
    """Users who leave from where they are, 50 m a slot to the east, at 10 dB."""

    def place_users(self, shape: Any, rng: np.random.Generator) -> Arrays:
        return {"user_m": rng.uniform(0, 100, (*shape, 3)).astype(np.float32)}

    def place_experts(self, shape: Any, rng: np.random.Generator) -> Arrays:
        return {"expert_m": rng.uniform(0, 100, (*shape, 3)).astype(np.float32)}

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": np.full(shape, 10, np.float32)}

    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        return {"user_m": state["user_m"] + np.float32([50, 0, 0])}

    def positions(self, users: Arrays, experts: Arrays) -> Positions:
        return Positions(users["user_m"][:, :, 0], experts["expert_m"][:, 0])


@pytest.mark.parametrize(("num_users", "num_experts"), [(1, 1), (5, 3)])
def test_a_map_without_a_known_area_grows_so_that_everybody_is_on_it(
    num_users: int, num_experts: int
) -> None:
    channel = ChannelConfig(process="departing")
    config = WorldConfig(num_users=num_users, num_experts=num_experts, channel=channel)
    world = World(config, seed=0)
    renderer = WorldRenderer(world.slot)
    first = low, high = [np.array(renderer.choices.axes.axis())[k::2] for k in (0, 1)]
    for _ in range(6):
        places = np.concatenate(world.positions or (), axis=1)[0, :, :2]
        actions = np.zeros((1, num_users), int)
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
        now_low, now_high = (np.array(renderer.choices.axes.axis())[k::2] for k in (0, 1))
        assert (now_low <= np.minimum(low, places.min(axis=0))).all()
        assert (now_high >= np.maximum(high, places.max(axis=0))).all()
        low, high = now_low, now_high
    assert high[0] > 250
    world.reset(seed=0)
    renderer.look(world.slot)
    np.testing.assert_array_equal(
        [np.array(renderer.choices.axes.axis())[k::2] for k in (0, 1)], first
    )
