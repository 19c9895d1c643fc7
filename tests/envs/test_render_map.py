"""The picture of a world with places: a map that says what happened where."""

from collections.abc import Callable
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
)
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
