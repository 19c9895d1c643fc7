"""The environments under names that RLlib knows, for scripts of RLlib's own without our command.

Nothing here imports Ray before `register_envs` is called.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import ValidationError

import mechanisms
from envs import WorldConfig, edge_experts_v0, edge_market_v0
from envs.section import GONE_KEY
from marl_moe.errors import unknown_key
from marl_moe.extras import check_training

if TYPE_CHECKING:
    from marl_moe.rllib.stock_env import ParallelAdapter

EDGE_EXPERTS, EDGE_MARKET = "edge_experts_v0", "edge_market_v0"
OWN_KEYS = ("mechanism", "seed")  # beside those of WorldConfig


def register_envs() -> None:
    """Register the environments for RLlib and Ray Tune, as `edge_experts_v0`, `edge_market_v0`.

    Call it in the script that builds or tunes the algorithm; Ray hands the registration on to
    every process. `PPOConfig().environment("edge_experts_v0", env_config={...})` then makes it with
    `make_edge_experts`, which says what `env_config` may hold; `edge_market_v0` takes the same.
    Calling it again changes nothing.

    Raises:
        MissingExtraError: RLlib is not installed.
    """
    check_training("register_envs")
    from ray.tune.registry import register_env

    register_env(EDGE_EXPERTS, make_edge_experts)
    register_env(EDGE_MARKET, make_edge_market)


def make_edge_experts(env_config: Mapping[str, Any]) -> "ParallelAdapter":
    """Make one world as an RLlib `MultiAgentEnv` with the agents `user_0` ... `user_{U-1}`.

    Spaces, rewards and ends of episodes are those of `envs.edge_experts_v0`; a masked action is
    scored as abandoning. RLlib seeds environment i of runner r with s + r + i, s being the seed of
    `config.debugging(seed=s)`. That seed and r make the seed of the world here, so that no two
    worlds of one algorithm are the same; without a seed worlds are drawn anew each time.

    Args:
        env_config: keys of `WorldConfig`, sections as dictionaries, as `{"num_users": 8, "channel":
            {"process": "iid"}}`; `mechanism`, a name or a dictionary of name and parameters, free
            edge devices if left out; and `seed`, an integer that tells runs apart: runs of seeds s
            and s + 1 share worlds unless it differs between them, so give it s too.

    Raises:
        ValueError: an unknown key, with the nearest that exists, or a value that cannot be.
    """
    return _made(edge_experts_v0.parallel_env, env_config)


def make_edge_market(env_config: Mapping[str, Any]) -> "ParallelAdapter":
    """Make one world with the agents `user_i`, `edge_j` and `platform` (`envs.edge_market_v0`).

    As `make_edge_experts`; the mechanism is `posted_price` if left out.
    """
    return _made(edge_market_v0.parallel_env, env_config)


def _made(
    make_parallel: Callable[..., edge_experts_v0.parallel_env], env_config: Mapping[str, Any]
) -> "ParallelAdapter":
    from marl_moe.rllib.stock_env import ParallelAdapter

    world = {key: value for key, value in env_config.items() if key not in OWN_KEYS}
    seed = env_config.get("seed", 0)
    if type(seed) is not int or seed < 0:
        raise ValueError(f"env_config.seed: should be an integer of at least 0, got {seed!r}")
    parallel = make_parallel(_world(world), _mechanism(env_config.get("mechanism")))
    runner = getattr(env_config, "worker_index", None) or 0  # RLlib's dictionary has its index
    return ParallelAdapter(parallel, seed_key=(seed, runner))


def _world(keys: dict[str, Any]) -> WorldConfig:
    try:
        return WorldConfig(**keys)
    except ValidationError as error:
        mistake = error.errors()[0]
        *sections, last = path = [str(part) for part in mistake["loc"]]
        key = ".".join(("env_config", *path))
        if mistake["type"] == "unexpected_keyword_argument":
            valid = _keys(sections) if sections else [*_keys([]), *OWN_KEYS]
            raise ValueError(f"{key}: {unknown_key(last, valid)}") from None
        if mistake["type"] == GONE_KEY:
            raise ValueError(f"{key}: {mistake['msg']}") from None
        message = mistake["msg"].removeprefix("Value error, ")
        raise ValueError(f"{key}: {message}, got {mistake['input']!r}") from None


def _mechanism(given: Any) -> mechanisms.Mechanism | None:
    if given is None:
        return None
    parameters = {"name": given} if isinstance(given, str) else given
    if not isinstance(parameters, Mapping) or "name" not in parameters:
        raise ValueError(
            "env_config.mechanism: should be a name, or a dictionary of name and parameters, got "
            f"{given!r}"
        )
    try:
        return mechanisms.make(**parameters)
    except ValueError as error:
        raise ValueError(f"env_config.mechanism: {error}") from None


def _keys(sections: list[str]) -> list[str]:
    """Return the keys of a section of a world."""
    section: Any = WorldConfig
    for name in sections:
        section = get_type_hints(section)[name]
    assert is_dataclass(section)
    return [field.name for field in fields(section)]
