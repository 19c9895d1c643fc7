"""Impossible configurations are refused, and the message names the field."""

from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    WorldConfig,
)

IMPOSSIBLE: list[tuple[Callable[..., Any], str, Any]] = [
    (WorldConfig, "num_users", 0),
    (WorldConfig, "num_users", 2.5),
    (WorldConfig, "num_experts", 0),
    (WorldConfig, "episode_slots", 0),
    (WorldConfig, "slot_s", 0),
    (WorldConfig, "slot_s", nan),
    (WorldConfig, "information", "guess"),
    (WorldConfig, "allow_abandon", "perhaps"),
    (RequestConfig, "num_subtasks", 0),
    (RequestConfig, "num_topics", 0),
    (RequestConfig, "num_transferred", 0),
    (RequestConfig, "num_transferred", 9),
    (RequestConfig, "local_compute", -1),
    (RequestConfig, "compute_need", (0, 1)),
    (RequestConfig, "compute_need", (1.5, 0.5)),
    (RequestConfig, "words", (0, 100)),
    (RequestConfig, "words", (300, 100)),
    (RequestConfig, "words", (100,)),
    (RequestConfig, "private_probability", 1.2),
    (RequestConfig, "arrival_probability", -0.1),
    (RequestConfig, "topic_persistence", 1.2),
    (RequestConfig, "zipf_exponent", -1),
    (ChannelConfig, "process", "rayleigh"),
    (ChannelConfig, "snr_db", (20, 5)),
    (ChannelConfig, "snr_db", (nan, 5)),
    (ChannelConfig, "correlation", 0.9),
    (ChannelConfig, "speed_m_s", 1.0),
    (ChannelConfig, "speed_m_s", -1.0),
    (ChannelConfig, "decorrelation_distance_m", 0),
    (ChannelConfig, "sigma_db", -1),
    (ChannelConfig, "bandwidth_hz", -1000),
    (ChannelConfig, "bandwidth_hz", inf),
    (ChannelConfig, "split", "fair"),
    (ChannelConfig, "ber", "bpsk"),
    (ChannelConfig, "target_ber", 0),
    (ChannelConfig, "target_ber", 0.2),
    (ChannelConfig, "tx_power_w", 0),
    (ChannelConfig, "bits_per_word", 0),
    (ChannelConfig, "prompt_words", -1),
    (ExpertConfig, "own_competence", (1.05, 0.95)),
    (ExpertConfig, "other_competence", (0.9, -0.7)),
    (ExpertConfig, "mean_competence", nan),
    (ExpertConfig, "words_per_second", 0),
    (ExpertConfig, "max_concurrent", 0),
    (ExpertConfig, "availability_probability", 1.2),
    (ExpertConfig, "resample", "daily"),
    (ExpertConfig, "pool_seed", -1),
    (ExpertConfig, "unit_cost", (-0.5, 3)),
    (ExpertConfig, "cost_slope", (0, 1)),
    (QualityConfig, "local_score", 0),
    (QualityConfig, "drop_loss", 0),
    (QualityConfig, "recovered_share", 0),
    (QualityConfig, "deadline_s", 0),
    (QualityConfig, "lateness_s", 0),
    (QualityConfig, "judge_noise", -0.1),
    (RewardConfig, "credits_per_point", 0),
    (RewardConfig, "credits_per_word", -1),
    (RewardConfig, "credits_per_joule", -1),
    (MarketConfig, "interval", 0),
    (MarketConfig, "demand_smoothing", 0),
    (MarketConfig, "demand_smoothing", 1.2),
    (MarketConfig, "demand_floor", 1.2),
    (MarketConfig, "value", -1),
    (MarketConfig, "budget_per_user", nan),
    (WorldConfig, "num_users", 10**7),
    (RequestConfig, "words", (100, 1e7)),
    (ChannelConfig, "snr_db", (5, 400)),
    (ChannelConfig, "bandwidth_hz", 1e-6),
    (ExpertConfig, "pool_seed", 2**128),
    (ExpertConfig, "cost_slope", (1e-300, 1)),
    (RewardConfig, "credits_per_joule", 1e300),
    *(
        (section, "bandwith", 1)
        for section in (WorldConfig, RequestConfig, ChannelConfig, ExpertConfig)
    ),
    *((section, "bandwith", 1) for section in (QualityConfig, RewardConfig, MarketConfig)),
]


@pytest.mark.parametrize(("section", "field", "value"), IMPOSSIBLE)
def test_impossible_value_is_refused_by_name(
    section: Callable[..., Any], field: str, value: object
) -> None:
    with pytest.raises(ValueError, match=field):
        section(**{field: value})


def test_nested_sections_are_named_with_their_path() -> None:
    with pytest.raises(ValueError, match=r"channel\.bandwidth_hz"):
        WorldConfig(channel={"bandwidth_hz": -1})  # type: ignore[arg-type]


def test_fields_that_contradict_each_other_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="private_probability"):
        RequestConfig(num_transferred=1, private_probability=0.5)
    with pytest.raises(ValueError, match="correlation or speed_m_s"):
        ChannelConfig(process="gauss_markov")
    with pytest.raises(ValueError, match="correlation or speed_m_s"):
        ChannelConfig(process="gauss_markov", correlation=0.9, speed_m_s=1)
    with pytest.raises(ValueError, match=r"pool_seed.*resample"):
        ExpertConfig(pool_seed=1, resample="episode")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"target_ber": 1e-3}, "target_ber has no effect with ber: none; use ber: qam"),
        ({"target_ber": 1e-3, "ber": "snr"}, "target_ber has no effect with ber: snr"),
        (
            {"process": "gauss_markov", "correlation": 0.5, "decorrelation_distance_m": 9.0},
            "decorrelation_distance_m has no effect with correlation; leave it out",
        ),
    ],
)
def test_a_key_of_the_channel_without_effect_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChannelConfig(**keys)


def test_compute_of_devices_is_refused_where_it_does_not_decide_what_is_transferred() -> None:
    message = "local_compute has no effect with num_transferred: 1; leave it out, or at its defau"
    with pytest.raises(ValueError, match=message):
        RequestConfig(num_transferred=1, local_compute=2.0)


@pytest.mark.parametrize(
    "config",
    [
        WorldConfig(),
        WorldConfig(requests=RequestConfig(num_transferred=1)),
        WorldConfig(channel=ChannelConfig(process="gauss_markov", correlation=0.5)),
    ],
)
def test_defaults_without_effect_may_be_written_out(config: WorldConfig) -> None:
    assert WorldConfig(**config.as_dict()) == config


def test_a_config_survives_the_way_through_plain_dictionaries() -> None:
    config = WorldConfig(num_users=3, channel=ChannelConfig(process="gauss_markov", speed_m_s=1.5))
    assert WorldConfig(**config.as_dict()) == config


def test_defaults_are_those_of_the_model() -> None:
    config = WorldConfig()
    assert (config.num_experts, config.episode_slots, config.slot_s, config.allow_abandon) == (
        30,
        50,
        6,
        True,
    )
    assert (
        config.requests.num_subtasks,
        config.requests.num_topics,
        config.requests.local_compute,
    ) == (8, 6, 6)
    assert (config.requests.words, config.requests.compute_need) == ((100, 300), (0.5, 1.5))
    assert (
        config.channel.bandwidth_hz,
        config.channel.tx_power_w,
        config.channel.bits_per_word,
    ) == (1000, 0.1, 48)
    assert (config.channel.decorrelation_distance_m, config.channel.prompt_words) == (20, 30)
    assert (config.experts.unit_cost, config.experts.cost_slope) == ((0.5, 3), (0.5, 1.5))
    assert (config.experts.words_per_second, config.experts.max_concurrent) == (100, None)
    assert (config.market.value, config.market.budget_per_user) == (3.8, 0.5)


def test_a_number_in_place_of_a_range_is_always_drawn() -> None:
    config = RequestConfig(words=200, compute_need=1.0)  # type: ignore[arg-type]
    assert (config.words, config.compute_need) == ((200, 200), (1, 1))
    for wrong in (0, -1.0, True, "200", [200]):
        with pytest.raises(ValueError, match="words"):
            RequestConfig(words=wrong)  # type: ignore[arg-type]
