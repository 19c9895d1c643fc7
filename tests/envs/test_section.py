"""Keys that went: their error names what took their place, however they are given."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import envs.config
from envs import ChannelConfig, WorldConfig, edge_experts_v0
from envs.section import GONE, Section

WENT = (
    "noise_scaling went with the first model: access: spectral_density | total_power says how a "
    "band is shared"
)
GIVEN: dict[str, tuple[Callable[[], Any], str]] = {
    "section": (lambda: ChannelConfig(noise_scaling=True), "noise_scaling"),
    "replace": (lambda: replace(ChannelConfig(), noise_scaling=False), "noise_scaling"),
    "mapping": (lambda: WorldConfig(channel={"noise_scaling": True}), "channel.noise_scaling"),
    "environment": (
        lambda: edge_experts_v0.parallel_env(channel={"noise_scaling": True}),
        "channel.noise_scaling",
    ),
}


@pytest.mark.parametrize("way", GIVEN)
def test_a_key_that_went_names_its_successor(way: str) -> None:
    give, key = GIVEN[way]
    with pytest.raises(ValidationError) as refused:
        give()
    (mistake,) = refused.value.errors()
    assert mistake["msg"] == WENT
    assert ".".join(map(str, mistake["loc"])) == key


def test_all_keys_that_went_are_told_at_once_with_their_paths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(GONE, "WorldConfig", {"num_edges": "num_edges is num_experts now"})
    with pytest.raises(ValidationError) as refused:
        WorldConfig(num_edges=3, channel={"noise_scaling": True})
    told = {mistake["loc"]: mistake["msg"] for mistake in refused.value.errors()}
    assert told == {
        ("num_edges",): "num_edges is num_experts now",
        ("channel", "noise_scaling"): WENT,
    }


def test_another_unknown_key_is_still_refused() -> None:
    with pytest.raises(ValidationError, match="Unexpected keyword argument"):
        ChannelConfig(noise=True)


def test_no_key_is_gone_and_there() -> None:
    sections = {
        kind.__name__: kind
        for kind in (*vars(envs.config).values(), ChannelConfig)
        if isinstance(kind, type) and issubclass(kind, Section)
    }
    for name, keys in GONE.items():
        assert not set(keys) & set(sections[name].__pydantic_fields__)


def test_sections_are_copied_pickled_and_read_from_strict_json() -> None:
    config = WorldConfig(num_users=3, channel={"snr_db": (1.0, 2.0)})
    assert copy.deepcopy(config) == pickle.loads(pickle.dumps(config)) == config
    adapter = TypeAdapter(WorldConfig)
    assert adapter.validate_json(adapter.dump_json(config), strict=True) == config
