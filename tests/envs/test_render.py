"""The picture of a world: what is drawn is what happened, at every size."""

from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import same_color

import mechanisms
from envs import ExpertConfig, RequestConfig, World, WorldConfig
from envs.render import WorldRenderer
from envs.render.style import BAD, TOPICS

AnyActions = Callable[[World, np.random.Generator], np.ndarray]
PATCHY = WorldConfig(
    num_users=8,
    episode_slots=12,
    requests=RequestConfig(arrival_probability=0.4),
    experts=ExpertConfig(availability_probability=0.7, max_concurrent=2),
)
SIZES = [(1, 30), (8, 30), (32, 30), (8, 300), (3, 1), (90, 7)]


def crowded(num_users: int, num_experts: int) -> WorldConfig:
    return WorldConfig(
        num_users=num_users,
        num_experts=num_experts,
        episode_slots=12,
        requests=RequestConfig(arrival_probability=0.8),
        experts=ExpertConfig(availability_probability=0.8, max_concurrent=3),
    )


@pytest.mark.parametrize(("num_users", "num_experts"), SIZES)
@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_the_drawn_data_are_the_worlds(
    num_users: int, num_experts: int, mechanism: str, any_actions: AnyActions
) -> None:
    world = World(crowded(num_users, num_experts), 2, 0, mechanisms.make(mechanism))
    world.reset()
    renderer, rng = WorldRenderer(world.slot, index=1), np.random.default_rng(0)
    users, experts, choices = renderer.users, renderer.experts, renderer.choices
    user_row = users.markers.get_offsets()[:, 1]
    expert_row = experts.markers.get_offsets()[:, 1]
    assert len(set(user_row)) == num_users
    assert len(set(expert_row)) == num_experts
    for _ in range(4):
        actions = any_actions(world, rng)
        pending = world.requests.subtasks.pending[1].copy()
        topic = world.requests.subtasks.topic[1].copy()
        weight = world.requests.subtasks.weight[1] * 8
        # one that serves the demand as a whole, or some user
        serves = world.slot.offer.participates[1] | world.slot.mask[1, :, :-1].any(axis=0)
        available = world.available[1] & serves
        occupancy = world.occupancy
        backlog_s = occupancy.airtime_backlog_s[1] + occupancy.compute_backlog_s[1]
        unit_price = world.slot.offer.unit_price[1]
        effort = world.slot.offer.effort[1]
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)

        np.testing.assert_array_equal(choices.choosers, np.flatnonzero(actions[1] < num_experts))
        lines = choices.lines.get_segments()
        assert len(lines) == len(choices.choosers)
        for user, line in zip(choices.choosers, lines, strict=True):
            assert line[0].tolist() == [0, user_row[user]]
            np.testing.assert_allclose(line[-1], [1, expert_row[actions[1, user]]])

        drawn = {
            key: [bar[1, 0] for bar in column.bars.get_segments()]
            for key, column in experts.columns.items()
        }
        np.testing.assert_array_equal(drawn["load"], result.load[1])
        np.testing.assert_array_equal(drawn["backlog_s"], backlog_s)
        assert ("unit_price" in drawn) == ("effort" in drawn) == (mechanism != "none")
        if mechanism != "none":
            np.testing.assert_array_equal(drawn["unit_price"], unit_price)
            np.testing.assert_array_equal(drawn["effort"], effort)
        for column in (*experts.columns.values(), users.weight):
            shown = max(column.axes.get_xlim())
            assert all(bar[1, 0] <= shown for bar in column.bars.get_segments())
        np.testing.assert_allclose([bar[1, 0] for bar in users.weight.bars.get_segments()], weight)

        fill = users.markers.get_facecolor()
        for u in range(num_users):
            assert same_color(fill[u], TOPICS[topic[u]] if pending[u] else "white")
        assert len(experts.greyed.get_segments()) == (~available).sum()
        for e in np.flatnonzero(~available):
            assert same_color(experts.markers.get_facecolor()[e], "white")
        assert renderer.gains[world.slot.index - 1] == result.gain[1].mean()
    renderer.frame()


def test_experts_of_a_topic_stand_together_and_in_its_colour() -> None:
    slot = World(WorldConfig(), seed=0).slot
    renderer = WorldRenderer(slot)
    rows = renderer.experts.markers.get_offsets()[:, 1]
    topic = slot.conditions.pool.topic[np.argsort(-rows)]
    assert topic.tolist() == np.repeat(range(6), 5).tolist()
    for e, colour in enumerate(renderer.experts.markers.get_facecolor()):
        assert same_color(colour, TOPICS[e % 6])


@pytest.mark.parametrize("price", [None, 3.5])
def test_lines_are_red_and_broken_where_a_choice_went_wrong_and_thicker_the_more_it_gained(
    price: float | None, fixed_prices: Callable[..., mechanisms.Mechanism]
) -> None:
    config = WorldConfig(
        num_users=40,
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(max_concurrent=4, words_per_second=400.0),
    )
    mechanism = None if price is None else fixed_prices(price)
    world = World(config, seed=0, mechanism=mechanism)
    renderer, seen = WorldRenderer(world.slot), set()
    rng = np.random.default_rng(0)
    for _ in range(5):
        actions = rng.integers(12, size=(1, 40))
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
        gain, declined = result.gain[0], result.declined[0]
        turned_down = result.rejected[0] | declined
        late = result.transferred[0] & (result.delay_s[0] > config.quality.deadline_s)
        wrong = turned_down | late | (gain < 0)
        lines = renderer.choices.lines
        red = [same_color(colour, BAD) for colour in lines.get_color()]
        assert red == wrong.tolist()
        well = np.flatnonzero(~wrong)
        width = np.asarray(lines.get_linewidth())[well]
        assert (np.diff(width[np.argsort(gain[well])]) >= 0).all()
        styles = [dashes is not None for _, dashes in lines.get_linestyle()]
        assert styles == wrong.tolist()
        told = [text.get_text() for text in renderer.users.outcomes]
        assert [text == "declined" for text in told] == declined.tolist()
        seen |= {
            ("rejected", result.rejected.any()),
            ("declined", declined.any()),
            ("late", late.any()),
            ("loss", (gain < 0).any()),
            ("well", well.size > 0),
        }
    expected = {"rejected", "late", "loss", "well"} | ({"declined"} if price else set())
    assert {name for name, happened in seen if happened} == expected


def test_the_slot_the_gains_and_the_books_are_told_in_figures() -> None:
    world = World(PATCHY, seed=3, mechanism=mechanisms.make("posted_price"))
    renderer, gains = WorldRenderer(world.slot, title="somebody"), []
    assert renderer.header.values["slot"].get_text() == "1 / 12"
    for _ in range(3):
        price, pending = world.slot.offer.unit_price[0, 0], world.requests.subtasks.pending.sum()
        actions = world.slot.mask.argmax(axis=-1)
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
        gains.append(result.gain.mean())
    shown = {
        name: text.get_text().replace("−", "-") for name, text in renderer.header.values.items()
    }
    assert shown["slot"] == "3 / 12"
    assert float(shown["gain"]) == pytest.approx(gains[-1], abs=0.005)
    assert float(shown["mean_gain"]) == pytest.approx(np.mean(gains), abs=0.005)
    assert shown["served"] == f"{result.transferred.sum()} of {pending}"
    assert float(shown["unit_price"]) == pytest.approx(price, abs=0.005)
    assert float(shown["payment"]) == pytest.approx(result.payment.sum(), abs=0.005)
    assert float(shown["balance"]) == pytest.approx(result.platform_balance[0], abs=0.005)
    np.testing.assert_allclose(
        [bar[1] for bar in renderer.chart.bars.get_segments()],
        [[s + 1, g] for s, g in enumerate(gains)],
    )
    np.testing.assert_allclose(renderer.chart.mean.get_ydata(), np.cumsum(gains) / [1, 2, 3])
    assert "somebody" in [text.get_text() for text in renderer.figure.texts]


def test_prices_that_differ_are_told_as_a_range(
    fixed_prices: Callable[..., mechanisms.Mechanism],
) -> None:
    world = World(WorldConfig(num_experts=3), seed=0, mechanism=fixed_prices([1.5, 3.25, 2.0]))
    renderer = WorldRenderer(world.slot)
    assert renderer.header.values["unit_price"].get_text() == "1.50–3.25"
    assert [bar[1, 0] for bar in renderer.experts.columns["unit_price"].bars.get_segments()] == [
        1.5,
        3.25,
        2.0,
    ]


def test_labels_thin_out_where_there_are_many_experts() -> None:
    few, many = (
        WorldRenderer(World(WorldConfig(num_experts=e), seed=0).slot).experts.numbers
        for e in (30, 300)
    )
    assert [text.get_text() for text in few] == [
        f"{e}" for e in np.argsort(np.arange(30) % 6, kind="stable")
    ]
    assert 20 < len(many) < 60


def test_idle_users_and_those_who_drop_their_subtask_have_no_line() -> None:
    world = World(PATCHY, seed=1)
    renderer, words = WorldRenderer(world.slot), set()
    for _ in range(6):
        abandoning = np.full((1, 8), world.num_experts)
        pending = world.requests.subtasks.pending[0].copy()
        _, _, result = world.step(abandoning)
        renderer.show(abandoning, result, world.slot)
        assert renderer.choices.lines.get_segments() == []
        shown = [text.get_text() for text in renderer.users.outcomes]
        assert shown == ["drops it" if has else "idle" for has in pending]
        words |= set(shown)
    assert words == {"drops it", "idle"}


def test_a_missed_step_raises_and_looking_again_helps(any_actions: AnyActions) -> None:
    world = World(PATCHY, seed=0)
    renderer, rng = WorldRenderer(world.slot), np.random.default_rng(0)
    world.step(any_actions(world, rng))
    actions = any_actions(world, rng)
    _, _, result = world.step(actions)
    with pytest.raises(ValueError, match="after every step"):
        renderer.show(actions, result, world.slot)
    renderer.look(world.slot)
    actions = any_actions(world, rng)
    _, _, result = world.step(actions)
    renderer.show(actions, result, world.slot)
    assert np.flatnonzero(~np.isnan(renderer.gains)).tolist() == [2]
    world.reset()
    renderer.look(world.slot)
    assert np.isnan(renderer.gains).all()
    assert renderer.play is None


def test_experts_that_are_added_are_drawn() -> None:
    world = World(WorldConfig(num_users=4, num_experts=6), seed=0)
    renderer = WorldRenderer(world.slot)
    world.add_experts(5)
    renderer.look(world.slot)
    actions = np.full((1, 4), 10)
    _, _, result = world.step(actions)
    renderer.show(actions, result, world.slot)
    assert len(renderer.experts.markers.get_offsets()) == 11
    drawn = [bar[1, 0] for bar in renderer.experts.columns["load"].bars.get_segments()]
    np.testing.assert_array_equal(drawn, result.load[0])


def test_drawing_changes_nothing_in_the_world(any_actions: AnyActions) -> None:
    rewards = []
    for drawn in (False, True):
        world = World(PATCHY, seed=5, mechanism=mechanisms.make("posted_price"))
        rng = np.random.default_rng(0)
        renderer = WorldRenderer(world.slot) if drawn else None
        rewards.append([])
        while not world.done:
            actions = any_actions(world, rng)
            _, reward, result = world.step(actions)
            rewards[-1].append(reward)
            if renderer is not None:
                renderer.show(actions, result, world.slot)
    np.testing.assert_array_equal(*rewards)


def test_an_index_outside_the_batch_raises() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1, got 2"):
        WorldRenderer(World(num_worlds=2).slot, index=2)


def test_what_a_user_set_of_matplotlib_changes_no_pixel(any_actions: AnyActions) -> None:
    def picture() -> np.ndarray:
        world = World(PATCHY, 1, seed=0)
        renderer = WorldRenderer(world.slot)
        actions = any_actions(world, np.random.default_rng(0))
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
        return renderer.frame()

    plain = picture()
    with matplotlib.rc_context(
        {
            "text.usetex": True,
            "font.weight": "bold",
            "xtick.labelsize": 20,
            "path.sketch": (1, 9, 2),
        }
    ):
        assert np.array_equal(picture(), plain)
