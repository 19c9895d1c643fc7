"""The picture of a world with places: a map that is to scale, and says what happened where."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.text import Text

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    ObservationConfig,
    RequestConfig,
    World,
    WorldConfig,
    edge_experts_v0,
)
from envs.channel import Arrays, ChannelProcess, register
from envs.channel.process import Positions
from envs.render import WorldRenderer
from envs.render.diagram import Diagram
from envs.render.map import Map
from envs.render.style import TOPICS

AnyActions = Callable[[World, np.random.Generator], np.ndarray]
WALKS = {"model": "random_waypoint", "speed_m_s": [5.0, 20.0], "start_at": "placement"}
HOTSPOTS = {"model": "hotspots", "count": 3, "sigma_m": 15}


def city(
    num_users: int, num_experts: int, *, min_snr_db: float | None = -5, **keys: Any
) -> WorldConfig:
    geometry = {name: keys.pop(name) for name in ("area_m", "users", "experts") if name in keys}
    channel = ChannelConfig(
        process="geometric",
        bandwidth_hz=1e6,
        tx_power_w=0.1,
        min_snr_db=min_snr_db,
        geometry=geometry,
    )
    keys = {"requests": RequestConfig(arrival_probability=0.7), "episode_slots": 20} | keys
    return WorldConfig(num_users=num_users, num_experts=num_experts, channel=channel, **keys)


def the_map(renderer: WorldRenderer) -> Map:
    assert isinstance(renderer.choices, Map)
    return renderer.choices


def ground(world: World, index: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of users and of experts as seen from above, m."""
    assert world.positions is not None
    users, experts = world.positions
    return users[index, :, :2].astype(float), experts[index, :, :2].astype(float)


def numbers(drawn: Map) -> list[Text]:
    return [text for text in drawn.numbers if text.get_text()]


@pytest.mark.parametrize("listed", [False, True])
def test_markers_and_lines_lie_where_the_positions_say(
    listed: bool, any_actions: AnyActions
) -> None:
    observation = ObservationConfig(candidates=6 if listed else None)
    config = city(7, 12, area_m=(800, 600), experts={"mobility": WALKS}, observation=observation)
    world = World(config, 2, seed=0, mechanism=mechanisms.make("posted_price"))
    renderer, rng = WorldRenderer(world.slot, index=1), np.random.default_rng(0)
    for _ in range(5):
        users, experts = ground(world, 1)
        candidates = world.candidates.expert
        actions = rng.integers(world.num_candidates + 1, size=(2, 7))
        usable = renderer.setting.usable
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
        drawn = the_map(renderer)
        np.testing.assert_array_equal(drawn.users.get_offsets(), users)
        np.testing.assert_array_equal(drawn.experts.get_offsets(), experts)
        np.testing.assert_array_equal(drawn.backlog.get_offsets(), experts)
        choosers = np.flatnonzero(actions[1] < world.num_candidates)
        np.testing.assert_array_equal(drawn.choosers, choosers)
        for user, line in zip(choosers, drawn.lines.get_segments(), strict=True):
            column = actions[1, user]
            expert = candidates[1, user, column] if listed else column
            np.testing.assert_array_equal(line, [users[user], experts[expert]])
        usable = renderer.setting.usable
        for e, colour in enumerate(drawn.experts.get_facecolor()):
            assert same_color(colour, TOPICS[e % 6] if usable[e] else "white")
    renderer.frame()


def test_a_metre_is_as_long_in_both_directions_and_as_long_as_the_bar_says() -> None:
    for area_m in [(1000, 1000), (3000, 400), (300, 900)]:
        renderer = WorldRenderer(World(city(3, 6, area_m=area_m), seed=0).slot)
        renderer.frame()
        drawn = the_map(renderer)
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


@pytest.mark.parametrize("min_snr_db", [15, -200, None])
def test_crosses_mark_the_users_whom_nobody_covers(min_snr_db: float | None) -> None:
    world = World(city(12, 5, min_snr_db=min_snr_db), seed=1)
    renderer, marked = WorldRenderer(world.slot), 0
    for _ in range(4):
        users, _ = ground(world)
        snr_db = world.slot.conditions.links.snr_db[0]
        least = -np.inf if min_snr_db is None else min_snr_db
        alone = (snr_db < least).all(axis=-1)
        pending = world.requests.subtasks.pending[0].copy()
        actions = np.full((1, 12), 5)
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
        drawn = the_map(renderer)
        np.testing.assert_array_equal(drawn.uncovered.get_offsets(), users[alone])
        told = [text.get_text() == "uncovered" for text in renderer.users.outcomes]
        assert told == (alone & pending).tolist()
        marked += alone.sum()
    assert (0 < marked < 48) == (min_snr_db == 15)


def test_thin_lines_are_the_pairs_in_coverage_or_among_many_those_of_the_best_snr() -> None:
    for num_users, num_experts in ((5, 20), (20, 40)):
        world = World(city(num_users, num_experts, min_snr_db=5), seed=0)
        users, experts = ground(world)
        snr_db = world.slot.conditions.links.snr_db[0]
        pairs = [
            (u, e)
            for u in range(num_users)
            for e in ([snr_db[u].argmax()] if num_users == 20 else range(num_experts))
            if snr_db[u, e] >= 5
        ]
        lines = the_map(WorldRenderer(world.slot)).reach.get_segments()
        assert 0 < len(pairs) < num_users * num_experts
        expected = [[users[u], experts[e]] for u, e in pairs]
        np.testing.assert_array_equal(lines, expected)


@pytest.mark.parametrize("side", ["users", "experts"])
def test_trails_are_as_long_as_the_way_of_the_last_ten_slots(side: str) -> None:
    still = {"mobility": {"model": "static"}}
    config = city(3, 4, **({"users": still, "experts": still} | {side: {"mobility": WALKS}}))
    world = World(config, seed=0)
    renderer, seen = WorldRenderer(world.slot), []
    for slot in range(14):
        seen.append(ground(world)[side == "experts"])
        actions = np.zeros((1, 3), int)
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
        way = np.stack(seen[-11:])
        length = np.linalg.norm(np.diff(way, axis=0), axis=-1).sum(axis=0)
        trails = the_map(renderer).trails.get_segments()
        if slot:
            lengths = [np.linalg.norm(np.diff(t, axis=0), axis=-1).sum() for t in trails]
            np.testing.assert_allclose(lengths, length[length > 0], rtol=1e-6)
            assert len(trails) == len(seen[0])
            np.testing.assert_array_equal([t[-1] for t in trails], seen[-1])
        else:
            assert trails == []
    world.reset()
    renderer.look(world.slot)
    assert the_map(renderer).trails.get_segments() == []


def test_trails_begin_anew_where_a_slot_was_missed() -> None:
    world = World(city(3, 4, users={"mobility": WALKS}), seed=0)
    renderer = WorldRenderer(world.slot)
    nobody = np.full((1, 3), 4)
    for _ in range(3):
        world.step(nobody)
    renderer.look(world.slot)
    assert the_map(renderer).trails.get_segments() == []
    _, _, result = world.step(nobody)
    renderer.show(nobody, result, world.slot)
    _, _, result = world.step(nobody)
    renderer.show(nobody, result, world.slot)
    assert [len(trail) for trail in the_map(renderer).trails.get_segments()] == [2, 2, 2]


def test_without_places_lines_go_from_list_to_list() -> None:
    assert isinstance(WorldRenderer(World(WorldConfig(), seed=0).slot).choices, Diagram)
    assert isinstance(WorldRenderer(World(city(2, 3), seed=0).slot).choices, Map)


def test_what_is_seen_of_a_disc_grows_with_the_backlog() -> None:
    channel, experts = city(8, 3).channel, ExpertConfig(words_per_second=20.0)
    config = WorldConfig(num_users=8, num_experts=3, experts=experts, channel=channel)
    world = World(config, seed=0)
    renderer = WorldRenderer(world.slot)
    actions = np.array([[0, 0, 0, 1, 1, 3, 3, 3]])
    for _ in range(2):
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
    backlog_s = renderer.setting.backlog_s
    drawn = the_map(renderer)
    sizes = drawn.backlog.get_sizes()
    marker = drawn.experts.get_sizes()[0]
    assert backlog_s[2] == 0 == sizes[2]
    assert (backlog_s[:2] > 0).all()
    shown = np.minimum(backlog_s[:2] / 6, 4)
    np.testing.assert_allclose(sizes[:2] - 2 * marker, 8 * marker * shown, rtol=1e-6)


def test_numbers_stand_in_the_markers_and_none_is_hidden_by_another_marker() -> None:
    users = {"placement": HOTSPOTS, "mobility": {"model": "static"}}
    world = World(city(40, 60, users=users), seed=0)
    renderer = WorldRenderer(world.slot)
    renderer.frame()
    drawn = the_map(renderer)
    places = np.concatenate(ground(world))
    shown = numbers(drawn)
    assert 60 < len(shown) < 100  # users crowd
    drawn_after = np.concatenate([np.arange(40) + 60, np.arange(60)])  # users are over experts
    pixel = drawn.axes.transData.transform
    half = np.sqrt(drawn.users.get_sizes()[0]) / 2 * renderer.figure.dpi / 72
    for text in shown:
        i = int(np.flatnonzero((places == text.get_position()).all(axis=1))[0])
        assert text.get_text() == f"{i if i < 40 else i - 40}"
        over = places[drawn_after > drawn_after[i]]
        box = text.get_window_extent()
        middle = pixel(over)
        apart = np.maximum(
            np.abs(middle[:, 0] - (box.x0 + box.x1) / 2) - half - box.width / 2,
            np.abs(middle[:, 1] - (box.y0 + box.y1) / 2) - half - 3,
        )
        assert (apart > -1.5).all()


def test_there_are_no_numbers_among_many() -> None:
    slot = World(city(300, 40, observation=ObservationConfig(candidates=5)), seed=0).slot
    assert the_map(WorldRenderer(slot)).numbers == []


def test_experts_that_are_added_are_on_the_map_at_the_same_scale() -> None:
    world = World(city(4, 6, users={"mobility": WALKS}), seed=0)
    renderer = WorldRenderer(world.slot)
    actions = np.zeros((1, 4), int)
    _, _, result = world.step(actions)
    renderer.show(actions, result, world.slot)
    limits = the_map(renderer).axes.axis()
    world.add_experts(5)
    renderer.look(world.slot)
    _, experts = ground(world)
    actions = np.full((1, 4), 10)
    _, _, result = world.step(actions)
    renderer.show(actions, result, world.slot)
    drawn = the_map(renderer)
    np.testing.assert_array_equal(drawn.experts.get_offsets(), experts)
    assert [line[-1].tolist() for line in drawn.lines.get_segments()] == [experts[10].tolist()] * 4
    assert drawn.axes.axis() == limits


def test_frames_of_an_episode_have_one_scale_and_repeat_under_one_seed() -> None:
    config = city(6, 8, users={"mobility": WALKS}, experts={"mobility": WALKS})
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
            limits.add(the_map(env._renderer).axes.axis())
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
    first = low, high = [np.array(the_map(renderer).axes.axis())[k::2] for k in (0, 1)]
    for _ in range(6):
        places = np.concatenate(ground(world))
        actions = np.zeros((1, num_users), int)
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
        now_low, now_high = (np.array(the_map(renderer).axes.axis())[k::2] for k in (0, 1))
        assert (now_low <= np.minimum(low, places.min(axis=0))).all()
        assert (now_high >= np.maximum(high, places.max(axis=0))).all()
        low, high = now_low, now_high
    assert high[0] > 250
    world.reset(seed=0)
    renderer.look(world.slot)
    np.testing.assert_array_equal(
        [np.array(the_map(renderer).axes.axis())[k::2] for k in (0, 1)], first
    )


@pytest.mark.parametrize("mapped", [False, True])
def test_groups_have_markers_of_their_own_that_the_legend_names(mapped: bool) -> None:
    groups: dict[str, Any] = {
        "user_groups": {"walkers": {"count": 2}, "cars": {"count": 1}},
        "expert_groups": {"towers": {"count": 2}, "shops": {"count": 3}},
    }
    channel = city(1, 1).channel if mapped else ChannelConfig()
    world = World(WorldConfig(num_users=6, channel=channel, **groups), seed=0)
    renderer = WorldRenderer(world.slot)
    tables = [renderer.users.markers, renderer.experts.markers]
    maps = [the_map(renderer).users, the_map(renderer).experts] if mapped else []
    for users, experts in [tables, *([maps] if mapped else [])]:
        outlines = [[path.vertices.tobytes() for path in m.get_paths()] for m in (users, experts)]
        first = [[kind.index(shape) for shape in kind] for kind in outlines]
        assert first == [[0, 0, 2, 0, 0, 2], [0, 0, 2, 2, 2]]
        assert not set(outlines[0]) & set(outlines[1])
    named = [text.get_text() for legend in renderer.figure.legends for text in legend.texts]
    assert {"users: walkers", "users: cars", "experts: towers", "experts: shops"} <= {*named}
    assert "user" not in named
