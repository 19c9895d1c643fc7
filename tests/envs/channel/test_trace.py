"""Traces of the SNR: a formula that pandas wrote is played, and what is played is written again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from envs import ChannelConfig, ExpertConfig, ObservationConfig, RequestConfig, World, WorldConfig
from envs.channel import Trace, trace
from envs.testing import check_channel

SUFFIXES = [".parquet", ".csv"]
BITS = np.arange(2 * 3 * 4 * 5, dtype=np.uint32) * 2654435761  # Knuth's, all kinds of bits
Frame = pd.DataFrame


def formula(episode: Any, slot: Any, user: Any, expert: Any) -> Any:
    return 32 * episode + 10.0 * slot + user + expert / 8


def frame(episodes: int = 1, slots: int = 4, users: int = 2, experts: int = 3) -> Frame:
    """Return the formula, a row an SNR, in an order drawn by lot."""
    sizes = {"episode": episodes, "slot": slots, "user": users, "expert": experts}
    index = pd.MultiIndex.from_product([range(size) for size in sizes.values()], names=sizes)
    rows = index.to_frame(index=False)
    rows["snr_db"] = formula(*(rows[name] for name in sizes))
    return rows.sample(frac=1, random_state=0, ignore_index=True)


def save(path: Path, rows: Frame) -> str:
    if path.suffix == ".csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path, index=False)
    return str(path)


def config(path: str, **changes: Any) -> WorldConfig:
    channel = ChannelConfig(process="trace", trace=path)
    sizes = {"num_users": 2, "num_experts": 3, "episode_slots": 4, "channel": channel}
    return WorldConfig(**sizes | changes)


def abandon(world: World) -> None:
    world.step(np.full((world.num_worlds, world.num_users), world.num_candidates))


def snr_db(world: World) -> np.ndarray:
    return world.slot.conditions.links.snr_db


def expected(slot: int, users: int, experts: int, episode: int = 0) -> np.ndarray:
    places = np.arange(users)[:, None], np.arange(experts)
    return np.float32(formula(episode, slot, *places))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_snr_of_each_slot_user_and_expert_is_that_of_its_row(
    tmp_path: Path, suffix: str
) -> None:
    path = save(tmp_path / f"t{suffix}", frame().drop(columns="episode"))
    world = World(config(path), num_worlds=2, seed=0)
    for episode in range(2):
        world.reset()
        for slot in range(4):
            for n in range(2):
                np.testing.assert_array_equal(snr_db(world)[n], expected(slot, 2, 3), str(episode))
            abandon(world)


def test_of_a_larger_trace_the_first_slots_users_and_experts_are_played(tmp_path: Path) -> None:
    path = save(tmp_path / "t.parquet", frame(slots=9, users=5, experts=6))
    world = World(config(path), seed=0)
    for slot in range(4):
        np.testing.assert_array_equal(snr_db(world)[0], expected(slot, 2, 3))
        abandon(world)
    # the slot after the last is shown, and there is one
    np.testing.assert_array_equal(snr_db(world)[0], expected(4, 2, 3))


def test_past_its_end_a_trace_stays_in_its_last_slot(tmp_path: Path) -> None:
    world = World(config(save(tmp_path / "t.parquet", frame())), seed=0)
    for _ in range(4):
        abandon(world)
    np.testing.assert_array_equal(snr_db(world)[0], expected(3, 2, 3))


def test_each_world_plays_an_episode_drawn_by_lot_and_all_come_up(tmp_path: Path) -> None:
    path = save(tmp_path / "t.parquet", frame(episodes=2, slots=2))
    world = World(config(path, episode_slots=2), num_worlds=40, seed=0)
    drawn = []
    for _ in range(3):
        world.reset()
        first = snr_db(world).copy()
        episode = np.round(first[:, 0, 0] / 32).astype(int)
        abandon(world)
        for n in range(40):
            np.testing.assert_array_equal(first[n], expected(0, 2, 3, episode[n]))
            np.testing.assert_array_equal(snr_db(world)[n], expected(1, 2, 3, episode[n]))
        drawn.append(episode)
        abandon(world)
    share = np.mean(drawn)
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(120)
    assert not np.array_equal(drawn[1], drawn[2])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_the_same_to_the_bit(tmp_path: Path, suffix: str) -> None:
    exponents = np.uint32(0x30000000) + BITS % np.uint32(0x12000000)  # 4.7e-10 to 131,072
    values = np.clip(exponents.view(np.float32), None, 200).reshape(2, 3, 4, 5)
    values *= np.where(BITS.reshape(values.shape) & 1, np.float32(1), np.float32(-1))
    path = tmp_path / f"t{suffix}"
    trace.write(path, values)
    again = trace.read(str(path))
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again.view(np.uint32), values.view(np.uint32))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_world_that_was_recorded_is_played_again_to_the_bit(tmp_path: Path, suffix: str) -> None:
    sizes: dict[str, Any] = {"num_users": 3, "num_experts": 6, "episode_slots": 8}
    recorded = ChannelConfig(process="gauss_markov", correlation=0.8)
    world = World(WorldConfig(**sizes, channel=recorded), seed=3)
    actions = np.random.default_rng(0).integers(7, size=(8, 1, 3))
    seen, rewards = [snr_db(world).copy()], []
    for action in actions:
        rewards.append(world.step(action)[1])
        seen.append(snr_db(world).copy())
    path = tmp_path / f"t{suffix}"
    trace.write(path, np.stack(seen, axis=1))
    again = World(config(str(path), **sizes), seed=3)
    for t, action in enumerate(actions):
        np.testing.assert_array_equal(snr_db(again), seen[t])
        np.testing.assert_array_equal(again.step(action)[1], rewards[t])
    np.testing.assert_array_equal(snr_db(again), seen[8])
    assert np.any(rewards)


def test_the_file_is_read_once_and_may_go_then(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    world = World(config(save(path, frame())), seed=0)
    path.unlink()
    for _ in range(4):
        abandon(world)
    world.reset(seed=1)
    np.testing.assert_array_equal(snr_db(world)[0], expected(0, 2, 3))


def test_candidates_are_the_experts_of_greatest_mean_over_the_slots(tmp_path: Path) -> None:
    rows = frame(slots=3, experts=6)
    # rising with the number of the expert on average, falling with it in the first slot
    rows["snr_db"] = rows["expert"] * (2.0 - 3.0 * (rows["slot"] == 0))
    changes = {"num_experts": 6, "episode_slots": 3, "requests": RequestConfig(num_topics=1)}
    path = save(tmp_path / "t.parquet", rows)
    listed = ObservationConfig(candidates=2)
    world = World(config(path, observation=listed, **changes), num_worlds=2, seed=0)
    assert world.candidates.expert.tolist() == [[[4, 5]] * 2] * 2
    np.testing.assert_array_equal(snr_db(world), [[[-4, -5]] * 2] * 2)


def test_worlds_go_on_from_a_state_bit_for_bit(tmp_path: Path) -> None:
    path = save(tmp_path / "t.parquet", frame(episodes=5, slots=6, experts=4))
    listed = ObservationConfig(candidates=2)
    for changes in ({}, {"observation": listed}):
        worlds = [
            World(config(path, num_experts=4, episode_slots=6, **changes), num_worlds=6, seed=seed)
            for seed in (0, 1)
        ]
        for _ in range(3):
            abandon(worlds[0])
        worlds[1].set_state(worlds[0].get_state())
        for _ in range(2):
            for _ in range(6 - worlds[0].slot.index):
                np.testing.assert_array_equal(*map(snr_db, worlds))
                for world in worlds:
                    abandon(world)
            for world in worlds:
                world.reset()


@pytest.mark.parametrize("listed", [None, 2])
def test_experts_that_are_added_are_the_next_of_the_trace(
    tmp_path: Path, listed: int | None
) -> None:
    path = save(tmp_path / "t.parquet", frame(experts=6))
    world = World(config(path, observation=ObservationConfig(candidates=listed)), seed=0)
    abandon(world)
    world.add_experts(1)
    world.add_experts(2)
    abandon(world)
    chosen = world.candidates.expert[0]
    of_all = np.broadcast_to(expected(2, 2, 6), (2, 6))
    np.testing.assert_array_equal(
        snr_db(world)[0],
        np.take_along_axis(of_all, np.broadcast_to(chosen, snr_db(world)[0].shape), 1),
    )
    before = world.get_state()
    with pytest.raises(ValueError, match="has 6 experts, the world 7"):
        world.add_experts(1)
    assert world.num_experts == 6
    assert before["rng"] == world.get_state()["rng"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_users": 3}, "t.parquet has 2 users, the world 3"),
        ({"num_experts": 4}, "t.parquet has 3 experts, the world 4"),
        ({"episode_slots": 5}, "t.parquet has 4 slots, the world 5"),
    ],
)
def test_a_trace_that_is_too_small_is_told_before_the_world_begins(
    tmp_path: Path, change: dict[str, int], said: str
) -> None:
    path = save(tmp_path / "t.parquet", frame())
    with pytest.raises(ValueError, match=said):
        World(config(path, **change))


def _with(name: str, row: int, value: Any) -> Callable[[Frame], Frame]:
    def changed(rows: Frame) -> Frame:
        column = rows[name].astype(object)
        column[row] = value
        return rows.assign(**{name: column.convert_dtypes() if value is None else column})

    return changed


FAULTS: list[tuple[Callable[[Frame], Frame], str]] = [
    (lambda rows: rows.drop(columns="expert"), "the column 'expert' is missing"),
    (
        lambda rows: rows.rename(columns={"episode": "epsiode"}),
        "no column 'epsiode' is known; did you mean 'episode'",
    ),
    (lambda rows: rows[:0], "there are no rows"),
    (_with("snr_db", 7, float("nan")), "column snr_db, row 7: "),
    (_with("snr_db", 7, float("inf")), "column snr_db, row 7: should be a finite SNR, -200 to 200"),
    (_with("snr_db", 5, 200.5), "column snr_db, row 5: .* got 200.5"),
    (_with("snr_db", 6, None), "column snr_db, row 6: is empty"),
    (_with("user", 3, -1), "column user, row 3: should be a whole number, 0 to .*, got -1"),
    (_with("slot", 2, 1.5), "column slot, row 2: should be a whole number, .* got 1.5"),
    (_with("slot", 2, 2**40), "column slot, row 2: should be a whole number"),
    (lambda rows: pd.concat([rows, rows[4:5]]), "row 24 repeats episode 0, slot .* of row 4$"),
    (
        lambda rows: rows.query("slot != 3 or user != 0 or expert != 1"),
        "no row has episode 0, slot 3, user 0, expert 1",
    ),
    (_with("slot", 0, 2**31 - 1), "column snr_db: no row has episode 0, slot "),
    (
        _with("expert", 0, 2**31 - 1),
        "column snr_db: no row has episode 0, slot 0, user 0, expert 3",
    ),
]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("damage", "said"), FAULTS)
def test_a_faulty_file_is_told_with_its_column_and_first_row(
    tmp_path: Path, damage: Callable[[Frame], Frame], said: str, suffix: str
) -> None:
    path = save(tmp_path / f"t{suffix}", damage(frame()).infer_objects())
    with pytest.raises(ValueError, match=said) as caught:
        World(config(path))
    assert str(caught.value).startswith(f"env.channel.trace: {path}: ")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot read .*t.csv: Empty CSV file"),
        ("slot,user,expert,snr_db\n0,0,0,5\n0,0,1\n", r"cannot read .*t.csv: .*Row #3: Expected 4"),
        ("slot,user,expert,snr_db\n0,0,0,5\n0,0,1,high\n", "column snr_db, row 1: .* got 'high'"),
        ("slot,user,expert,snr_db\n0,0,0,true\n", "column snr_db, row 0: .* number, got True"),
        ("slot,user,expert,snr_db\n0,0,0,1_0\n", "column snr_db, row 0: .* number, got '1_0'"),
        ("slot;user;expert;snr_db\n0;0;0;5\n", "no column 'slot;user;expert;snr_db' is known"),
        ("slot,slot,user,expert,snr_db\n0,0,0,0,5\n", "there are two columns 'slot'"),
    ],
)
def test_text_that_is_no_table_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        trace.read(str(tmp_path / "t.csv"))


def test_what_is_no_file_of_a_trace_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "folder.csv").mkdir()
    for name in ("t.parquet", "none.parquet", "none.csv", "folder.csv"):
        with pytest.raises(ValueError, match=f"env.channel.trace: cannot read .*{name}: "):
            trace.read(str(tmp_path / name))
    frame().assign(slot="2026-01-01").astype({"slot": "datetime64[ns]"}).to_parquet(
        tmp_path / "t.parquet", index=False
    )
    with pytest.raises(ValueError, match="column slot: should hold numbers, it holds timestamp"):
        trace.read(str(tmp_path / "t.parquet"))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"process": "trace"}, "process: trace needs the key trace"),
        ({"process": "trace", "trace": "t.txt"}, r"trace: t.txt should end in .parquet or .csv"),
        ({"trace": "t.csv"}, "trace has no effect with process: iid; use process: trace"),
        (
            {"process": "trace", "trace": "t.csv", "sigma_db": 2.0},
            "sigma_db has no effect with process: trace; use process: gauss_markov",
        ),
    ],
)
def test_keys_that_do_not_fit_are_told(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ChannelConfig(**keys)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((2, 2)), r"shape \(episodes, slots, users, experts\), got \(2, 2\)"),
        (np.zeros((1, 0, 2, 2)), r"got \(1, 0, 2, 2\)"),
        (np.full((1, 1, 1, 1), np.nan), "should be finite"),
        (np.full((1, 1, 1, 1), 300), "should be finite, -200 to 200 dB"),
    ],
)
def test_only_a_trace_is_written(tmp_path: Path, values: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        trace.write(tmp_path / "t.csv", values)
    assert not (tmp_path / "t.csv").exists()
    with pytest.raises(ValueError, match=r"should end in \.parquet or \.csv"):
        trace.write(tmp_path / "t.json", np.zeros((1, 1, 1, 1)))


@pytest.mark.parametrize("episodes", [1, 40])
def test_it_is_a_channel(tmp_path: Path, episodes: int) -> None:
    values = np.random.default_rng(0).uniform(5, 20, (episodes, 14, 4, 11))
    trace.write(tmp_path / "t.parquet", values)
    path = str(tmp_path / "t.parquet")
    check_channel(ChannelConfig(process="trace", trace=path), random=episodes > 1)


def test_a_channel_alone_of_too_small_a_trace_is_told_too(tmp_path: Path) -> None:
    path = save(tmp_path / "t.parquet", frame())
    with pytest.raises(AssertionError, match=r"t\.parquet has 2 users, the world 4"):
        check_channel(Trace(path))


def test_it_plays_beside_other_keys_of_the_channel(tmp_path: Path) -> None:
    path = save(tmp_path / "t.parquet", frame())
    channel = ChannelConfig(process="trace", trace=path, access="total_power", tx_power_w=0.2)
    experts = ExpertConfig(words_per_second=None)
    world = World(config(path, channel=channel, experts=experts), seed=0)
    world.step([[0, 1]])
