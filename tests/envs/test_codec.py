"""Codecs: bits and survival of pairs, wherever a service is judged; knowledge that is shared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

import envs.codec
import mechanisms
from envs import World, WorldConfig
from envs.channel.rates import db_to_linear, word_survival
from envs.codec import CODECS, CodecError
from envs.observation import bounds

TENTH = {"model": "tenth of the bits"}
SAME = {"model": "words once more"}
LATE = {"quality": {"deadline_s": 1e5}}  # nothing is late
GROUPS = {"plain": {"count": 4}, "coded": {"count": 4, "codec": TENTH}}


@dataclass(frozen=True)
class Tenth(envs.codec.Codec):
    """A tenth of the bits of words, of which what is shared survives."""

    def bits_per_word(self, channel: Any, snr_db: Any, shared: Any) -> Any:
        return channel.bits_per_word / 10

    def survival(self, channel: Any, snr_db: Any, shared: Any) -> Any:
        return np.broadcast_to(shared, snr_db.shape)


@dataclass(frozen=True)
class Same(envs.codec.Codec):
    """Words, from outside."""

    reads_knowledge: ClassVar[bool] = False

    def bits_per_word(self, channel: Any, snr_db: Any, shared: Any) -> Any:
        return np.full_like(snr_db, channel.bits_per_word)

    def survival(self, channel: Any, snr_db: Any, shared: Any) -> Any:
        return word_survival(channel, db_to_linear(snr_db))

    def check(self, channel: Any) -> None:
        if channel.ber == "qam":
            raise ValueError("not with qam")


@dataclass(frozen=True)
class Given(envs.codec.Codec):
    """What its parameters say."""

    bits: float = 1.0
    share: float = 1.0
    rows: int = 0

    def bits_per_word(self, channel: Any, snr_db: Any, shared: Any) -> Any:
        return np.full(self.rows, self.bits) if self.rows else self.bits

    def survival(self, channel: Any, snr_db: Any, shared: Any) -> Any:
        return self.share


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    names = {"tenth of the bits": Tenth, "words once more": Same, "given": Given}
    for name, kind in names.items():
        envs.codec.register(name)(kind)
    yield
    for name in names:
        del CODECS[name]


def played(config: WorldConfig, mechanism: str = "none", seed: int = 3) -> list[np.ndarray]:
    """Return all results of an episode of random actions."""
    world = World(config, 2, seed, mechanisms.make(mechanism))
    rng, results = np.random.default_rng(0), [world.reset()]
    while not world.done:
        actions = rng.integers(0, world.num_candidates + 1, (2, world.num_users))
        observation, _, result = world.step(actions)
        results += [observation, *result]
    return results


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("mechanism", ["none", "posted_price", "vcg"])
@pytest.mark.parametrize("candidates", [None, 5])
def test_words_written_from_outside_for_some_experts_give_the_same_world_to_the_bit(
    mechanism: str, candidates: int | None
) -> None:
    """So pairs of several codecs are put together as those of one, in all that follows of them."""
    base: dict[str, Any] = {"num_users": 5, "episode_slots": 8, "channel": {"ber": "snr"}}
    base |= {"num_experts": 8, "observation": {"candidates": candidates}}
    mixed = WorldConfig(
        **base, expert_groups={"plain": {"count": 3}, "outside": {"count": 5, "codec": SAME}}
    )
    words, other = played(WorldConfig(**base), mechanism), played(mixed, mechanism)
    # The column "energy" has another bound, which nothing here reaches.
    assert same(words, other)


def test_a_tenth_of_the_bits_takes_a_tenth_of_the_airtime_and_what_survives_is_delivered() -> None:
    """Computed from the world of words: airtime, energy and points are linear in both."""
    base: dict[str, Any] = {"num_users": 6, "num_experts": 8, "episode_slots": 1, **LATE}
    words = World(WorldConfig(**base), 3, seed=1)
    shared = {"shared_knowledge": {"each": [i / 10 for i in range(8)]}}
    coded = World(WorldConfig(**base, experts={"codec": TENTH, **shared}), 3, seed=1)
    actions = np.random.default_rng(0).integers(0, 8, (3, 6))
    _, _, plain = words.step(actions)
    _, _, sent = coded.step(actions)
    np.testing.assert_allclose(sent.airtime_s, plain.airtime_s / 10, rtol=1e-12)
    np.testing.assert_allclose(sent.energy_j, plain.energy_j / 10, rtol=1e-12)
    np.testing.assert_allclose(sent.qos, plain.qos * actions / 10, rtol=1e-12)
    np.testing.assert_allclose(sent.harm, plain.harm, rtol=1e-12)


def test_users_expect_of_each_codec_what_is_delivered_to_whom_is_alone_there() -> None:
    groups = {"plain": {"count": 4}, "coded": {"count": 4, "codec": TENTH}}
    groups["coded"]["shared_knowledge"] = [0.2, 0.9]
    config = WorldConfig(num_users=1, episode_slots=1, expert_groups=groups, channel={"ber": "snr"})
    for expert in range(8):
        world = World(config, 4, seed=7)
        expected = world.slot.expected_gain()[:, 0, expert]
        _, _, result = world.step(np.full((4, 1), expert))
        np.testing.assert_allclose(result.gain[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_devices_whose_answers_do_not_survive_decline_and_are_masked() -> None:
    """At a price nobody serves for nothing: points are 0, and what is left is the cost."""
    groups = {"plain": {"count": 4}, "lost": {"count": 4, "codec": {"model": "given", "share": 0}}}
    price = mechanisms.make("posted_price", price=3.0)
    world = World(WorldConfig(num_users=3, expert_groups=groups), 2, seed=0, mechanism=price)
    assert not world.slot.mask[..., 4:8].any()
    assert world.slot.mask[..., :4].any()


def test_what_experts_share_is_drawn_in_its_range_and_changes_no_other_draw() -> None:
    """Nor in the pools of episodes to come."""
    experts: dict[str, Any] = {"resample": "episode", "words_per_second": [50, 100]}
    base: dict[str, Any] = {"num_users": 2, "experts": experts, "episode_slots": 1}
    plain = World(WorldConfig(**base, num_experts=8), 50, seed=5)
    groups = {"plain": {"count": 4}, "coded": {**GROUPS["coded"], "shared_knowledge": [0.3, 0.6]}}
    world = World(WorldConfig(**base, expert_groups=groups), 50, seed=5)
    first = world.pool.shared_knowledge
    for one in (plain, world):
        one.step(np.zeros((50, 2), int))
        one.reset()
    assert not np.array_equal(first, world.pool.shared_knowledge)
    shared = world.pool.shared_knowledge
    assert isinstance(shared, np.ndarray)
    assert (shared[:, :4] == 1).all()
    assert 0.3 <= shared[:, 4:].min() < 0.31 < 0.59 < shared[:, 4:].max() <= 0.6
    for name in ("competence", "unit_cost", "cost_slope", "words_per_second"):
        assert np.array_equal(getattr(world.pool, name), getattr(plain.pool, name))
    assert np.array_equal(world.slot.conditions.links.snr_db, plain.slot.conditions.links.snr_db)


def test_a_world_goes_on_from_its_state_and_newcomers_have_the_codecs_of_their_groups() -> None:
    groups = {"plain": {"count": 4}, "coded": {**GROUPS["coded"], "shared_knowledge": [0.3, 0.6]}}
    config = WorldConfig(num_users=3, expert_groups=groups, observation={"candidates": 6})
    worlds = [World(config, 2, seed=seed) for seed in (0, 9)]
    for world in worlds:
        world.step(np.zeros((2, 3), int))
    worlds[1].set_state(worlds[0].get_state())
    one, other = (world.step(np.full((2, 3), 4)) for world in worlds)
    assert same([*one[:2], *one[2]], [*other[:2], *other[2]])
    worlds[0].add_experts(8)
    assert worlds[0].config.codecs.of_expert.tolist() == [0] * 4 + [1] * 4 + [0] * 4 + [1] * 4
    shared = worlds[0].pool.shared_knowledge
    assert isinstance(shared, np.ndarray)
    assert shared.shape == (2, 16)
    assert (shared[:, 12:] <= 0.6).all()


@pytest.mark.parametrize("bits", [1e-3, 1e6])
def test_observations_stay_in_their_bounds_whatever_a_word_takes(bits: float) -> None:
    config = WorldConfig(num_users=4, experts={"codec": {"model": "given", "bits": bits}})
    low, high = bounds(config)
    observation = World(config, 3, seed=0).reset()
    assert ((observation >= low) & (observation <= high)).all()


def refused(make: Callable[[], object]) -> str:
    with pytest.raises((ValidationError, CodecError)) as caught:
        make()
    return str(caught.value)


@pytest.mark.parametrize(
    ("codec", "says"),
    [
        ({"model": "wrods"}, r"no codec 'wrods'; did you mean 'words'?"),
        ({"model": "words", "bits": 3}, "codec 'words' has no parameter 'bits'"),
        ({}, "should name a codec"),
        ("words", "valid dictionary"),
        ({"model": "given", "bits": "many"}, "valid number"),
        (SAME, "not with qam"),
    ],
)
def test_what_is_no_codec_is_refused_with_the_path_of_its_key(codec: Any, says: str) -> None:
    qam = {"ber": "qam"}
    for_all = refused(lambda: WorldConfig(experts={"codec": codec}, channel=qam))
    groups = {"one": {"count": 2}, "two": {"count": 2, "codec": codec}}
    of_group = refused(lambda: WorldConfig(expert_groups=groups, channel=qam))
    assert says in for_all
    assert "experts.codec" in for_all
    assert says.replace("dictionary", "") in of_group or "object" in of_group
    assert "expert_groups.two.codec" in of_group


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"experts": {"shared_knowledge": 0.5}}, "no effect with codec: words"),
        (
            {"expert_groups": {"a": {"count": 2, "shared_knowledge": 1.0}}},
            "expert_groups.a.shared_knowledge has no effect with codec: words",
        ),
        ({"experts": {"codec": SAME, "shared_knowledge": 0.5}}, "no effect with codec: words once"),
        ({"experts": {"codec": TENTH, "shared_knowledge": 1.5}}, "less than or equal to 1"),
        ({"experts": {"codec": TENTH, "shared_knowledge": -0.1}}, "greater than or equal to 0"),
        ({"experts": {"codec": TENTH, "shared_knowledge": None}}, "shared_knowledge"),
        ({"experts": {"codec": TENTH, "shared_knowledge": {"each": [0.5]}}}, "each should hold 30"),
    ],
)
def test_knowledge_that_is_none_or_has_no_effect_is_refused(given: Any, says: str) -> None:
    assert says in refused(lambda: WorldConfig(**given))


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"bits": 0.0}, "codec given: bits_per_word should be finite and greater than 0, got 0"),
        ({"share": 1.5}, "codec given: survival should be from 0 to 1, got 1.5"),
        ({"share": -0.5}, "codec given: survival should be from 0 to 1, got -0.5"),
        ({"rows": 3}, "codec given: bits_per_word should be a number or of shape"),
    ],
)
def test_a_codec_that_gives_what_is_none_ends_the_world_by_its_name(
    parameters: Any, says: str
) -> None:
    config = WorldConfig(num_users=2, experts={"codec": {"model": "given", **parameters}})
    assert says in refused(lambda: World(config, seed=0))
