"""Channel processes from outside of the package: in a world, resumed, listed, joined, unclipped."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from gymnasium.spaces import Box
from hypothesis import given, settings
from hypothesis import strategies as st

import mechanisms
from envs import ChannelConfig, ExpertConfig, ObservationConfig, RequestConfig, World, WorldConfig
from envs.candidates import best_of_each_topic
from envs.channel import Arrays, ChannelError, ChannelProcess, ClippedProcess, register
from envs.channel.fading import FadingChannel
from envs.channel.placement import Placement, given_of_experts
from envs.channel.process import Positions
from envs.channel.rates import SHANNON
from envs.observation import bounds, column_names
from envs.testing import check_channel

FREE_SPACE = 2.0


@register("roaming")
@dataclass(frozen=True)
class Roaming(ChannelProcess):
    """Users who walk at random among experts, with path loss and a fading of their own."""

    step_m: float = 20.0
    listed_by_mean: bool = True

    def __post_init__(self) -> None:
        if self.step_m < 0:
            raise ValueError(f"step_m should be at least 0, got {self.step_m}")

    def place_users(self, shape: Any, rng: np.random.Generator) -> Arrays:
        return {"user_m": rng.uniform(0, 300, (*shape, 2)).astype(np.float32)}

    def place_experts(self, shape: Any, rng: np.random.Generator) -> Arrays:
        return {"position_m": rng.uniform(0, 300, (*shape, 2)).astype(np.float32)}

    def large_scale(self, shape: Any, users: Arrays, experts: Arrays, rng: Any) -> Arrays:
        gain_db = np.broadcast_to(10 * np.log10(experts["tx_power_w"] / 0.1), shape)
        return {
            "expert_m": np.broadcast_to(experts["position_m"], (*shape, 2)),
            "gain_db": gain_db.astype(np.float32),
        }

    def mean_db(self, state: Arrays) -> Any:
        return self.path_db(state) if self.listed_by_mean else None

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"fading_db": rng.normal(0, 6, shape).astype(np.float32)}

    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        step = rng.normal(0, self.step_m, state["user_m"].shape).astype(np.float32)
        return {"user_m": state["user_m"] + step} | self.small_scale(shape, state, rng)

    def snr_of(self, state: Arrays) -> Any:
        return self.path_db(state) + state["fading_db"]

    def path_db(self, state: Arrays) -> Any:
        distance = np.linalg.norm(state["user_m"] - state["expert_m"], axis=-1)
        path_db = 20 - 10 * FREE_SPACE * np.log10(np.maximum(distance, 1) / 100)
        return path_db + state["gain_db"]


@register("constant")
@dataclass(frozen=True)
class Constant(ChannelProcess):
    """Any SNR from a range, which may hold numbers that are no SNR."""

    values: list[Any]

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": rng.choice(np.array(self.values, np.float32), shape)}


@register("nowhere")
@dataclass(frozen=True)
class Nowhere(ChannelProcess):
    """A process whose pairs cannot be reached, in one of three ways."""

    how: str

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": np.full(shape, float(self.how), np.float32)}


def roaming(listed: int | None = None, **parameters: Any) -> WorldConfig:
    return WorldConfig(
        num_users=4,
        num_experts=18,
        episode_slots=8,
        channel=ChannelConfig(process="roaming", parameters=parameters),
        observation=ObservationConfig(candidates=listed),
        experts=ExpertConfig(resample="episode"),
    )


def of_snr(*values: float, **keys: Any) -> ChannelConfig:
    unlimited = {"max_spectral_efficiency": None, "min_snr_db": None} | keys
    return ChannelConfig(process="constant", parameters={"values": list(values)}, **unlimited)


def played(world: World, slots: int, rng: np.random.Generator) -> Iterator[bytes]:
    """Play slots and resets, and yield all that is seen and got."""
    for _ in range(slots):
        if world.done:
            yield world.reset().tobytes()
        actions = rng.integers(world.num_candidates + 1, size=(world.num_worlds, world.num_users))
        seen, reward, result = world.step(actions)
        yield seen.tobytes() + reward.tobytes() + b"".join(part.tobytes() for part in result)


def stored(state: dict[str, Any], path: Path) -> dict[str, Any]:
    """Write the arrays of a channel to a file without pickle, and read them back."""
    np.savez(path, allow_pickle=False, **state)
    with np.load(path, allow_pickle=False) as loaded:
        return dict(loaded)


@pytest.mark.parametrize("listed", [None, 7])
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("slots", [0, 3, 11])
def test_a_world_goes_on_from_its_state_bit_for_bit_past_resets_and_new_experts(
    listed: int | None, joined: bool, slots: int, tmp_path: Path
) -> None:
    world = World(roaming(listed), 2, seed=1)
    list(played(world, slots, np.random.default_rng(0)))
    if joined:
        world.add_experts(5)
        list(played(world, 1, np.random.default_rng(2)))
    again = World(world.config, 2, seed=2)
    list(played(again, 2, np.random.default_rng(1)))
    state = world.get_state()
    state["channel"] = stored(state["channel"], tmp_path / "channel.npz")
    again.set_state(state)
    first, second = (list(played(w, 20, np.random.default_rng(9))) for w in (world, again))
    assert first == second


def test_an_episode_begins_with_channels_drawn_anew_and_a_seed_repeats_them() -> None:
    world = World(roaming(), 2, seed=1)
    first = world.reset(seed=5), world.channel.get_state()
    list(played(world, 8, np.random.default_rng(0)))
    moved = world.channel.state["user_m"] - first[1]["user_m"]
    # 8 steps of 20 m in each of two directions
    assert np.sqrt((moved**2).mean()) == pytest.approx(20 * np.sqrt(8), rel=0.6)
    world.reset()
    assert not np.isclose(world.channel.state["expert_m"], first[1]["expert_m"]).any()
    np.testing.assert_array_equal(world.reset(seed=5), first[0])


@pytest.mark.parametrize("listed", [None, 7])
def test_newcomers_have_one_place_for_all_users_who_meet_them_where_they_stand(
    listed: int | None,
) -> None:
    world = World(roaming(listed), 2, seed=1)
    list(played(world, 5, np.random.default_rng(0)))
    before, experts = world.channel.get_state(), world.candidates.expert.copy()
    world.add_experts(30)
    state, width = world.channel.state, world.num_candidates
    shape = 2, 4, width
    assert state["expert_m"].shape == (*shape, 2)
    np.testing.assert_array_equal(state["user_m"], before["user_m"])
    offset = state["user_m"].astype(float) - state["expert_m"]
    path_db = 20 - 20 * np.log10(np.hypot(offset[..., 0], offset[..., 1]) / 100)
    np.testing.assert_allclose(
        world.slot.conditions.links.snr_db, path_db + state["fading_db"], rtol=1e-4, atol=1e-4
    )
    expert = np.broadcast_to(world.candidates.expert, shape)
    old = np.broadcast_to(experts, before["fading_db"].shape)
    places: dict[tuple[int, int], np.ndarray] = {}
    for n, u, c in np.ndindex(shape):
        e = int(expert[n, u, c])
        place = places.setdefault((n, e), state["expert_m"][n, u, c])
        np.testing.assert_array_equal(place, state["expert_m"][n, u, c])
        if e < 18:
            (was,) = np.flatnonzero(old[n, u] == e)
            assert state["fading_db"][n, u, c] == before["fading_db"][n, u, was]
    assert (expert >= 18).any()


def test_lists_hold_the_experts_of_the_best_mean_of_each_topic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("envs.candidates.PAIRS_AT_ONCE", 60)  # lists of three users at a time
    everybody, listed = World(roaming(), 3, seed=4), World(roaming(7), 3, seed=4)
    mean_db = everybody.channel.mean_db
    assert mean_db is not None
    chosen = best_of_each_topic(mean_db, listed.pool.topic, 7)
    np.testing.assert_array_equal(listed.candidates.expert, chosen)
    for n, u, c in np.ndindex(3, 4, 7):
        np.testing.assert_array_equal(
            listed.channel.state["expert_m"][n, u, c],
            everybody.channel.state["expert_m"][n, u, chosen[n, u, c]],
        )


def test_without_mean_snrs_lists_are_the_lots_that_they_are_under_iid() -> None:
    config = roaming(7, listed_by_mean=False)
    drawn, iid = (World(c, 3, seed=4) for c in (config, replace(config, channel=ChannelConfig())))
    for _ in range(2):
        np.testing.assert_array_equal(drawn.candidates.expert, iid.candidates.expert)
        for world in (drawn, iid):
            world.add_experts(9)


@pytest.mark.parametrize("snr_db", [-200.0, -50.0, -3.0, 45.0, 200.0])
def test_snr_efficiency_and_delay_are_clipped_nowhere(snr_db: float) -> None:
    config = WorldConfig(
        num_experts=3, channel=of_snr(snr_db), experts=ExpertConfig(words_per_second=None)
    )
    world = World(config, seed=0)
    links, words = world.slot.conditions.links, world.requests.subtasks.words[0, 0]
    efficiency = np.log1p(10 ** (snr_db / 10)) / np.log(2)
    assert (links.snr_db == np.float32(snr_db)).all()
    np.testing.assert_allclose(links.efficiency, efficiency, rtol=1e-5)
    _, reward, result = world.step([[1]])
    sent_s = 48 * (30 + words) / (1000 * efficiency)
    assert result.delay_s.item() == pytest.approx(sent_s, rel=1e-5)
    assert result.energy_j.item() == pytest.approx(0.1 * sent_s, rel=1e-5)
    assert np.isfinite(reward).all()


@given(
    snr_db=st.lists(st.floats(-200, 200, width=32), min_size=1, max_size=3),
    mechanism=st.sampled_from(mechanisms.names()),
    keys=st.sampled_from(
        [{}, {"split": "min_delay"}, {"access": "total_power"}, {"ber": "qam", "bandwidth_hz": 1e6}]
    ),
    listed=st.sampled_from([None, 4]),
    information=st.sampled_from(["known", "type"]),
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_observations_lie_in_their_space_and_rewards_are_finite_at_any_snr(
    snr_db: list[float],
    mechanism: str,
    keys: dict[str, Any],
    listed: int | None,
    information: Any,
) -> None:
    config = WorldConfig(
        num_users=5,
        num_experts=8,
        episode_slots=4,
        information=information,
        channel=of_snr(*snr_db, **keys),
        observation=ObservationConfig(candidates=listed),
    )
    world = World(config, 2, seed=0, mechanism=mechanisms.make(mechanism))
    space = Box(*bounds(config, world.mechanism.allocates), dtype=np.float32)
    rng = np.random.default_rng(0)
    while not world.done:
        assert all(
            space.contains(seen) for seen in world.slot.observation.reshape(-1, *space.shape)
        )
        _, reward, _ = world.step(rng.integers(world.num_candidates + 1, size=(2, 5)))
        assert np.isfinite(reward).all()


@pytest.mark.parametrize(("snr_db", "is_cut"), [(-60.0, True), (-8.0, True), (0.0, False)])
def test_energy_is_seen_as_it_is_up_to_that_of_ten_deadlines(snr_db: float, is_cut: bool) -> None:
    config = WorldConfig(
        num_experts=1,
        requests=RequestConfig(num_transferred=1, words=(300, 300)),
        channel=of_snr(snr_db),
    )
    seen = dict(zip(column_names(config), World(config, seed=0).reset()[0, 0], strict=True))
    sent_s = 48 * 330 / (1000 * np.log2(1 + 10 ** (snr_db / 10)))
    assert (sent_s > 60) == is_cut
    assert seen["expert_0.energy"] == pytest.approx(2 * 0.1 * min(sent_s, 60), rel=1e-5)


@pytest.mark.parametrize("how", ["nan", "inf", "-inf", "-201", "201"])
def test_an_snr_that_is_none_is_refused_by_the_name_of_the_process(how: str) -> None:
    channel = ChannelConfig(process="nowhere", parameters={"how": how})
    with pytest.raises(
        ChannelError, match=rf"channel process nowhere: .*-200 to 200 dB, got {how}"
    ):
        World(WorldConfig(channel=channel), seed=0)


def test_a_clipped_process_passes_no_nan_either() -> None:
    @dataclass(frozen=True)
    class Undefined(ClippedProcess):
        def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
            return {"latent_db": np.full(shape, np.nan, np.float32)}

    given = given_of_experts(1000.0, 0.1, (1, 1))
    placement = Placement(Undefined((5.0, 20.0)), 1, 1, given, np.random.default_rng(0))
    with pytest.raises(ChannelError, match=r"channel process Undefined: the SNR .* got nan"):
        FadingChannel(placement, {}, (1, 1, 1), rate=SHANNON, slot_s=6.0)


def test_a_process_is_given_the_power_of_each_expert() -> None:
    loud, quiet = (
        World(
            replace(roaming(), channel=ChannelConfig(process="roaming", tx_power_w=power)), seed=0
        )
        for power in (1.0, 0.1)
    )
    np.testing.assert_allclose(
        loud.slot.conditions.links.snr_db, quiet.slot.conditions.links.snr_db + 10, rtol=1e-4
    )


@dataclass(frozen=True)
class Wandering(Roaming):
    """Experts that move too, of which the state has the places by column."""

    def place_experts(self, shape: Any, rng: np.random.Generator) -> Arrays:
        return {"at_m": rng.uniform(0, 300, (*shape, 2)).astype(np.float32)}

    def large_scale(self, shape: Any, users: Arrays, experts: Arrays, rng: Any) -> Arrays:
        return {"gain_db": np.zeros(shape, np.float32)}

    def following_experts(self, experts: Arrays, slot_s: float, rng: Any) -> Arrays:
        step = rng.normal(0, self.step_m, experts["at_m"].shape)
        return {"at_m": experts["at_m"] + step.astype(np.float32)}

    def path_db(self, state: Arrays) -> Any:
        return super().path_db({"expert_m": state["at_m"]} | state)


def test_experts_may_have_arrays_that_change() -> None:
    check_channel(Wandering())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"elsewhere": np.zeros((3, 1, 5), np.float32)}, "'elsewhere', which the first slot does"),
        ({"at_m": np.zeros((3, 1, 5), np.float32)}, "gave 'at_m' as float32 of shape"),
        ({"at_m": np.zeros((3, 4, 5, 2), np.float32)}, "following_experts gave 'at_m' of shape"),
    ],
)
def test_what_experts_cannot_become_is_refused(given: Arrays, message: str) -> None:
    class Wrong(Wandering):
        def following_experts(self, experts: Arrays, slot_s: float, rng: Any) -> Arrays:
            return given

    with pytest.raises(AssertionError, match=message):
        check_channel(Wrong())


def test_following_may_not_change_what_is_of_experts() -> None:
    class Wrong(Wandering):
        def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
            return {"at_m": state["at_m"] * 1}

    with pytest.raises(AssertionError, match="following gave 'at_m'"):
        check_channel(Wrong())


@register("astray")
@dataclass(frozen=True)
class Astray(ChannelProcess):
    """A process of 10 dB whose places tests set, in the first slot and later."""

    places: ClassVar[list[Any]]

    def place_users(self, shape: Any, rng: np.random.Generator) -> Arrays:
        return {"slot": np.zeros(shape, np.float32)}

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": np.full(shape, 10, np.float32)}

    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        return {"slot": state["slot"] + 1}

    def positions(self, users: Arrays, experts: Arrays) -> Any:
        return self.places[min(int(users["slot"].max()), 1)]


def places(users: Any = (1, 2, 3), experts: Any = (1, 1, 3)) -> Positions:
    return Positions(
        *(np.zeros(end) if isinstance(end, tuple) else end for end in (users, experts))
    )


def astray_world() -> World:
    channel = ChannelConfig(process="astray")
    return World(WorldConfig(num_users=2, num_experts=1, channel=channel), seed=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (places(experts=(1, 2, 3)), r"experts of shape \(1, 2, 3\), expected \(1, 1, 3\)"),
        (places(users=(1, 2, 2)), r"users of shape \(1, 2, 2\), expected \(1, 2, 3\)"),
        (places(users=np.full((1, 2, 3), np.nan)), "users that are not finite numbers"),
        (places(users=np.full((1, 2, 3), "here")), "users that are not finite numbers"),
        (np.zeros((1, 2, 3)), "should return Positions or None, got ndarray"),
    ],
)
def test_places_that_are_none_are_told_with_the_name_of_the_process(
    wrong: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Astray, "places", [wrong, wrong], raising=False)
    with pytest.raises(ChannelError, match=f"channel process astray: positions .*{message}"):
        astray_world()
    with pytest.raises(AssertionError, match=r"positions gave users of shape|positions should"):
        check_channel(Astray(), random=False)  # of worlds of other sizes
    monkeypatch.setattr(Astray, "places", [places(), wrong])
    world = astray_world()
    with pytest.raises(ChannelError, match=message):
        world.step([[0, 1]])


def test_a_slot_has_the_places_of_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    early, late = places(), places(users=np.ones((1, 2, 3)))
    monkeypatch.setattr(Astray, "places", [early, late], raising=False)
    world = astray_world()
    slot = world.slot
    world.step([[0, 1]])
    for of_slot, expected in ((slot, early), (world.slot, late)):
        assert of_slot.conditions.positions is not None
        np.testing.assert_array_equal(of_slot.conditions.positions.users, expected.users)
    assert World(seed=0).slot.conditions.positions is None
