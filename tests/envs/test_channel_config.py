"""The section `env.channel`: what a process takes, and what is refused by name."""

import json
import pickle
from dataclasses import dataclass, make_dataclass
from typing import Any

import numpy as np
import pytest

from envs import ChannelConfig, WorldConfig
from envs.channel import Arrays, ChannelProcess, register
from envs.testing import check_channel


@register("stroll")
@dataclass(frozen=True)
class Stroll(ChannelProcess):
    """A process that reads a key of the section, and has parameters of its own."""

    bits_per_word: float
    step_m: float = 20.0
    straight: bool = True

    def __post_init__(self) -> None:
        if self.step_m < 0:
            raise ValueError(f"step_m should be at least 0, got {self.step_m}")

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": rng.normal(10, 1, shape).astype(np.float32)}


@register("measured")
@dataclass(frozen=True)
class Measured(ChannelProcess):
    """A process with a parameter that has no default."""

    path: str

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": np.zeros(shape, np.float32)}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"process": "strol"},
            "process\n.*no channel process 'strol'; did you mean 'stroll'",
        ),
        (
            {"process": "stroll", "parameters": {"step": 1}},
            "parameters\n.*did you mean 'step_m'",
        ),
        (
            {"process": "stroll", "parameters": {"step_m": -1}},
            "parameters\n.*step_m should be at",
        ),
        ({"process": "stroll", "parameters": {"step_m": "far"}}, "parameters\n.*not supported"),
        (
            {"process": "stroll", "parameters": {"bits_per_word": 1.0}},
            "parameters\n.*'bits_per_word' is a key of env.channel itself",
        ),
        ({"process": "measured"}, "'measured' needs the parameter 'path'"),
        ({"parameters": {"step_m": 1}}, "parameters\n.*'iid' has no parameter 'step_m'; it takes"),
        (
            {"process": "gauss_markov", "correlation": 0.9, "parameters": {"step_m": 1}},
            "parameters\n.*'gauss_markov' has no parameter 'step_m'; it takes none",
        ),
        (
            {"process": "stroll", "correlation": 0.5},
            "correlation has no effect.*: stroll; use",
        ),
        (
            {"process": "stroll", "speed_m_s": 1.0},
            "speed_m_s has no effect with process: stroll",
        ),
        (
            {"process": "stroll", "sigma_db": 2.0},
            "sigma_db has no effect with process: stroll",
        ),
        (
            {"process": "stroll", "snr_db": (0, 9)},
            "snr_db has no effect with process: stroll",
        ),
        (
            {"process": "stroll", "decorrelation_distance_m": 5.0},
            "decorrelation_distance_m has no effect with process: stroll; use process: gauss",
        ),
        ({"sigma_db": 2.0}, "sigma_db has no effect with process: iid; use process: gauss_markov"),
    ],
)
def test_what_a_process_does_not_take_is_refused_by_name(
    keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ChannelConfig(**keys)


@pytest.mark.parametrize("parameters", [{}, None, {"step_m": 3.5, "straight": False}])
def test_a_configuration_is_plain_data(parameters: dict[str, Any] | None) -> None:
    config = WorldConfig(channel=ChannelConfig(process="stroll", parameters=parameters))
    assert pickle.loads(pickle.dumps(config)) == config
    assert WorldConfig(**config.as_dict()) == config
    assert json.loads(json.dumps(config.as_dict()))["channel"]["parameters"] == parameters


def test_only_a_whole_process_is_registered() -> None:
    with pytest.raises(TypeError, match="'half': Half lacks small_scale"):

        @register("half")
        class Half(ChannelProcess):
            pass

    with pytest.raises(TypeError, match=r"'other'.* is no class of ChannelProcess"):
        register("other")(dict)  # type: ignore[type-var]
    with pytest.raises(ValueError, match="channel process 'iid' exists already"):
        register("iid")(Stroll)


@pytest.mark.parametrize("key", ["tx_power_w", "bandwidth_hz"])
def test_band_and_power_are_read_of_each_expert_and_are_no_parameter_or_array(key: str) -> None:
    kind = make_dataclass("Loud", [(key, float)], bases=(Stroll,), frozen=True, kw_only=True)
    with pytest.raises(TypeError, match=rf'"{key}"\] in large_scale'):
        register("loud")(kind)

    @dataclass(frozen=True)
    class Own(Stroll):
        def place_experts(self, shape: Any, rng: np.random.Generator) -> Arrays:
            return {key: np.ones(shape, np.float32)}

    with pytest.raises(AssertionError, match=f"place_experts gave '{key}', which the world gives"):
        check_channel(Own(48.0))
