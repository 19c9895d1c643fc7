"""Requests of a file: what is pending, what a request is worth, what is expected of all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mechanisms
from envs import ChannelConfig, QualityConfig, RequestConfig, World, WorldConfig, request_trace
from envs.channel import trace
from envs.expected_demand import initial_demand, initial_work
from envs.request_trace import RequestTrace

SUFFIXES = [".parquet", ".csv"]
COLUMNS = ["slot", "user", "weight", "words", "compute_need", "topic", "completes"]
# User 0: two subtasks with an idle slot between them, then one more; user 1: idle, a request that
# transfers nothing, one of a single subtask. The last row says that slot 4 is the last.
ROWS = [
    [0, 0, 0.25, 100.0, 0.5, 2, False],
    [2, 0, 0.5, 200.0, 1.5, 1, True],
    [3, 0, 0.125, 300.0, 1.0, 0, True],
    [1, 1, 0.0, 0.0, 0.0, 0, True],
    [2, 1, 0.375, 150.0, 0.75, 1, True],
    [4, 1, 0.0, 0.0, 0.0, 0, False],
]
K = 8
Frame = pd.DataFrame


def frame() -> Frame:
    return pd.DataFrame(ROWS, columns=COLUMNS)


def save(path: Path, rows: Frame) -> str:
    if path.suffix == ".csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path, index=False)
    return str(path)


def config(path: str, **changes: Any) -> WorldConfig:
    requests = RequestConfig(trace=path, num_subtasks=K)
    sizes = {"num_users": 2, "num_experts": 3, "episode_slots": 5, "requests": requests}
    return WorldConfig(**sizes | changes)


def abandon(world: World) -> Any:
    return world.step(np.full((world.num_worlds, world.num_users), world.num_candidates))[2]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_pending_in_each_slot_is_its_row_and_who_has_none_is_idle(
    tmp_path: Path, suffix: str
) -> None:
    path = save(tmp_path / f"r{suffix}", frame().sample(frac=1, random_state=1))
    world = World(config(path), num_worlds=2, seed=0)
    rows = {(slot, user): values for slot, user, *values in ROWS}
    for _ in range(2):
        world.reset()
        for slot in range(5):
            subtasks = world.slot.conditions.subtasks
            for user in range(2):
                weight, words, need, topic, _ = rows.get((slot, user), [0, 0, 0, 0, False])
                for n in range(2):
                    assert subtasks.pending[n, user] == (weight > 0)
                    seen = [values[n, user] for values in subtasks[1:]]
                    assert seen == [weight, words, need, topic]
            idle = ~subtasks.pending
            assert not world.slot.mask[idle][:, :-1].any()
            abandon(world)


def test_the_utility_of_a_request_is_that_of_its_subtasks_in_the_slot_that_completes_it(
    tmp_path: Path,
) -> None:
    world = World(config(save(tmp_path / "r.csv", frame())), seed=0)
    utility = np.array([abandon(world).utility[0] for _ in range(5)])
    # V = 5 (8.80 - 0.86 K g), all of it abandoned
    lost = {(2, 0): 0.75, (3, 0): 0.125, (1, 1): 0.0, (2, 1): 0.375}
    for slot, user in np.ndindex(5, 2):
        if (slot, user) in lost:
            worth = 5 * (8.80 - 0.86 * K * lost[slot, user])
            assert utility[slot, user] == pytest.approx(worth, rel=1e-12)
        else:
            assert np.isnan(utility[slot, user])


def test_gains_of_all_subtasks_are_part_of_the_utility(tmp_path: Path) -> None:
    world = World(config(save(tmp_path / "r.csv", frame())), seed=0)
    gains = []
    for slot in range(5):
        action = np.where(world.slot.conditions.subtasks.pending, slot % 3, 3)
        result = world.step(action)[2]
        gains.append(result.gain[0, 0])
        if slot == 2:
            expected = 5 * (8.80 - 0.86 * K * 0.75) + gains[0] + gains[2]
            assert result.utility[0, 0] == pytest.approx(expected, rel=1e-12)
    assert gains[0] != 0 != gains[2]
    assert gains[1] == gains[4] == 0


def test_nobody_judges_a_request_that_transfers_nothing(tmp_path: Path) -> None:
    quality = QualityConfig(judge_noise=0.5)
    world = World(config(save(tmp_path / "r.csv", frame()), quality=quality), seed=0)
    results = [abandon(world) for _ in range(3)]
    assert results[1].utility[0, 1] == 5 * 8.80
    assert results[1].gain[0, 1] == 0
    assert results[2].gain[0, 1] != 0


def test_demand_and_work_begin_at_the_means_of_the_trace(tmp_path: Path) -> None:
    env = config(save(tmp_path / "r.csv", frame()))
    # four pending subtasks in 5 slots x 2 users; the middles of need and words are 1 and 200
    weight = K * (0.25 + 0.5 + 0.125 + 0.375) / 10
    work = (100 * 0.5 + 200 * 1.5 + 300 * 1.0 + 150 * 0.75) / 10
    world = World(env, seed=0, mechanism=mechanisms.make("posted_price"))
    demand = 0.85 * 0.86 * weight * 2 / 3
    np.testing.assert_allclose(world.market.asked.points, demand, rtol=1e-12)
    points = 0.85 * 0.86 / 200 * work * 2 / 3
    np.testing.assert_allclose(world.market.asked.work, points, rtol=1e-12)
    assert initial_demand(env) == pytest.approx(demand, rel=1e-12)
    assert initial_work(env) == pytest.approx(points, rel=1e-12)
    assert world.slot.conditions.mean_work == pytest.approx(work / 0.4, rel=1e-12)


def test_the_means_are_those_of_the_part_that_is_played(tmp_path: Path) -> None:
    path = save(tmp_path / "r.csv", frame())
    part = RequestTrace.of(config(path, num_users=1, episode_slots=3))
    assert part is not None
    assert part.pace.subtasks == pytest.approx(2 / 3)
    assert part.pace.weight == pytest.approx(K * 0.75 / 3)
    assert part.topic_popularity.tolist() == [0, 0.5, 0.5, 0, 0, 0]
    whole = RequestTrace.of(config(path))
    assert whole is not None
    assert whole.topic_popularity.tolist() == [0.25, 0.5, 0.25, 0, 0, 0]
    world = World(config(path, num_users=1, episode_slots=3), seed=0)
    for _ in range(3):
        abandon(world)
    # the slot after the last is shown, where the trace has it
    assert world.slot.conditions.subtasks.weight.item() == 0.125


def test_past_its_end_a_trace_stays_in_its_last_slot(tmp_path: Path) -> None:
    rows = frame().query("slot < 4")
    world = World(config(save(tmp_path / "r.csv", rows), episode_slots=4), seed=0)
    for _ in range(4):
        abandon(world)
    assert world.slot.conditions.subtasks.weight.tolist() == [[0.125, 0]]


def test_a_trace_in_which_nothing_is_transferred_is_one(tmp_path: Path) -> None:
    world = World(config(save(tmp_path / "r.csv", frame()[3:4]), episode_slots=2), seed=0)
    assert world.slot.conditions.mean_work == 0
    assert [abandon(world).utility[0, 1] for _ in range(2)][1] == 44


def test_each_world_plays_an_episode_drawn_by_lot_and_goes_on_from_its_state(
    tmp_path: Path,
) -> None:
    episodes = [frame().assign(episode=k, words=frame()["words"] * (1 - k / 16)) for k in range(8)]
    path = save(tmp_path / "r.parquet", pd.concat(episodes))
    worlds = [World(config(path), num_worlds=30, seed=seed) for seed in (0, 1)]
    abandon(worlds[1])
    words = worlds[0].slot.conditions.subtasks.words[:, 0]
    drawn = (1 - words / 100) * 16
    assert set(drawn) <= set(range(8))
    assert len(set(drawn)) > 4
    assert not np.array_equal(words, World(config(path), 30, seed=1).requests.subtasks.words[:, 0])
    abandon(worlds[0])
    worlds[1].set_state(worlds[0].get_state())
    for _ in range(2):
        while not worlds[0].done:
            for ours, theirs in zip(
                *(world.slot.conditions.subtasks for world in worlds), strict=True
            ):
                np.testing.assert_array_equal(ours, theirs)
            first, second = (abandon(world) for world in worlds)
            np.testing.assert_array_equal(first.utility, second.utility)
        for world in worlds:
            world.reset()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "requests",
    [
        RequestConfig(),
        RequestConfig(local_compute=2.0, arrival_probability=0.4, private_probability=0.2),
        RequestConfig(num_subtasks=2, local_compute=2.0, num_topics=3),
    ],
)
def test_a_world_that_was_recorded_is_played_again(
    tmp_path: Path, requests: RequestConfig, suffix: str
) -> None:
    sizes: dict[str, Any] = {"num_users": 4, "num_experts": 6, "episode_slots": 12}
    channel = ChannelConfig(process="gauss_markov", correlation=0.8)
    world = World(WorldConfig(**sizes, requests=requests, channel=channel), seed=3)
    world.reset()
    draws = np.random.default_rng(0).integers(7, size=(12, 1, 4))
    snr_db, subtasks, completes, played = [], [], [], []
    while True:
        snr_db.append(world.slot.conditions.links.snr_db)
        subtasks.append(world.requests.subtasks)
        completes.append(world.requests.completing)
        if world.done:
            break
        played.append(world.step(draws[world.slot.index]))
    _, *values = (np.stack(part, axis=1) for part in zip(*subtasks, strict=True))
    files = [str(tmp_path / f"{name}{suffix}") for name in ("snr", "requests")]
    trace.write(files[0], np.stack(snr_db, axis=1))
    request_trace.write(files[1], *values, np.stack(completes, axis=1))
    again = World(
        WorldConfig(
            **sizes,
            requests=RequestConfig(
                trace=files[1],
                num_subtasks=requests.num_subtasks,
                num_topics=requests.num_topics,
            ),
            channel=ChannelConfig(process="trace", trace=files[0]),
        ),
        seed=3,
    )
    for t, (_, reward, result) in enumerate(played):
        for ours, theirs in zip(subtasks[t][:-1], again.requests.subtasks[:-1], strict=True):
            np.testing.assert_array_equal(ours, theirs)
        _, same_reward, same = again.step(draws[t])
        np.testing.assert_array_equal(reward, same_reward)
        for name in ("qos", "delay_s", "energy_j", "gain", "local_gain", "load"):
            np.testing.assert_array_equal(getattr(result, name), getattr(same, name))
        # a request's weight is summed in another order
        np.testing.assert_allclose(result.utility, same.utility, rtol=1e-13)
    np.testing.assert_array_equal(subtasks[12].weight, again.requests.subtasks.weight)
    assert any(reward.any() for _, reward, _ in played)


def _with(name: str, row: int, value: Any) -> Callable[[Frame], Frame]:
    def changed(rows: Frame) -> Frame:
        column = rows[name].astype(object)
        column[row] = value
        return rows.assign(**{name: column}).infer_objects()

    return changed


def _more(*row: Any) -> Callable[[Frame], Frame]:
    return lambda rows: pd.concat([rows, pd.DataFrame([row], columns=COLUMNS)])


FAULTS: list[tuple[Callable[[Frame], Frame], str]] = [
    (lambda rows: rows.drop(columns="topic"), "the column 'topic' is missing"),
    (lambda rows: rows.assign(compute=1.0), "no column 'compute' is known; did you mean"),
    (lambda rows: rows[:0], "there are no rows"),
    (
        _with("weight", 1, -0.5),
        "column weight, row 1: should be at least 0 and at most 1, got -0.5",
    ),
    (_with("weight", 1, 1.5), "column weight, row 1: should be at least 0 and at most 1, got 1.5"),
    (_with("weight", 1, 0.76), "column weight, row 0: should be such that the weights of its requ"),
    (_with("words", 0, 0.0), "column words, row 0: should be above 0 and at most 300"),
    (_with("words", 4, 301.0), r"at most 300 \(env.requests.words\), .* got 301.0"),
    (_with("words", 3, 5.0), "column words, row 3: should be above 0 .*, and 0 with a weight of 0"),
    (_with("compute_need", 1, 1.6), r"column compute_need, row 1: .* at most 1.5 .* got 1.6"),
    (_with("topic", 2, 6), r"column topic, row 2: should be a topic, 0 to 5 .*, got 6"),
    (_with("topic", 2, -1), "column topic, row 2: should be a whole number"),
    (_with("completes", 1, 2), "column completes, row 1: should be true or false, got 2"),
    (_more(2, 0, 0.1, 100.0, 1.0, 0, True), "row 6 repeats .*user 0, slot 2 of row 1$"),
    (lambda rows: rows.query("slot < 4"), "column slot: there are 4 slots, the world has 5"),
    (lambda rows: rows.query("user < 1"), "column slot: there are 4 slots"),
    (lambda rows: rows.assign(episode=1), "column episode: no row has episode 0"),
    (
        lambda rows: pd.concat([rows.assign(episode=0), rows[:1].assign(episode=1)]),
        "column slot: episode 0 ends with slot 4, episode 1 with 0",
    ),
]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("damage", "said"), FAULTS)
def test_a_faulty_file_is_told_with_its_column_and_first_row(
    tmp_path: Path, damage: Callable[[Frame], Frame], said: str, suffix: str
) -> None:
    rows = damage(frame())
    if rows["completes"].dtype == object:  # true, false and 2
        rows["completes"] = rows["completes"].astype(int)
    path = save(tmp_path / f"r{suffix}", rows)
    with pytest.raises(ValueError, match=said) as caught:
        World(config(path))
    assert str(caught.value).startswith(f"env.requests.trace: {path}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_too_few_users_are_told(tmp_path: Path) -> None:
    path = save(tmp_path / "r.csv", frame())
    with pytest.raises(ValueError, match="column user: there are 2 users, the world has 3"):
        World(config(path, num_users=3))


def test_a_request_of_more_subtasks_than_a_prompt_has_is_told(tmp_path: Path) -> None:
    rows = [[t, 0, 0.1, 100.0, 1.0, 0, t == 4] for t in range(5)]
    path = save(tmp_path / "r.csv", pd.DataFrame(rows, columns=COLUMNS))
    env = config(path, num_users=1, requests=RequestConfig(trace=path, num_subtasks=4))
    with pytest.raises(ValueError, match=r"row 0: its request transfers 5 subtasks, and has 4"):
        World(env)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_transferred", 1),
        ("local_compute", 2.0),
        ("private_probability", 0.1),
        ("arrival_probability", 0.5),
        ("zipf_exponent", 1.0),
        ("topic_persistence", 0.5),
    ],
)
def test_keys_of_draws_are_refused_beside_a_trace(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{key} has no effect with trace: r.csv; leave it out"):
        RequestConfig(**{"trace": "r.csv", key: value})


def test_the_ending_of_the_file_says_how_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trace: r.xlsx should end in \.parquet or \.csv"):
        RequestConfig(trace="r.xlsx")
    with pytest.raises(ValueError, match=r"env.requests.trace: cannot read .*none\.csv: "):
        World(config(str(tmp_path / "none.csv")))


def test_no_subtask_is_put_in_place_of_one_of_the_trace(tmp_path: Path) -> None:
    world = World(config(save(tmp_path / "r.csv", frame())), seed=0)
    with pytest.raises(ValueError, match=r"env.requests.trace: requests are those of the trace"):
        world.place_subtask(0, 0, 0.1, 100.0, 1.0, 0)
    assert world.slot.conditions.subtasks.weight.tolist() == [[0.25, 0]]


def test_only_arrays_of_one_shape_are_written(tmp_path: Path) -> None:
    ones = np.ones((1, 2, 2))
    with pytest.raises(ValueError, match=r"topic should have the shape .* got \(1, 2\)"):
        request_trace.write(tmp_path / "r.csv", ones, ones, ones, np.ones((1, 2)), ones)
    with pytest.raises(ValueError, match=r"weight should have the shape .* got \(2,\)"):
        request_trace.write(tmp_path / "r.csv", *[np.ones(2)] * 5)
    with pytest.raises(ValueError, match="words should be finite"):
        request_trace.write(tmp_path / "r.csv", ones, ones * np.nan, ones, ones, ones)
    assert not (tmp_path / "r.csv").exists()
