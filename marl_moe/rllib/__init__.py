"""Our SAC over whole worlds, RLlib's stock algorithms beside it, and the environment by name.

`register_envs()` registers the environment as `edge_experts_v0` for scripts of RLlib's own.
"""

from marl_moe.rllib.environments import make_edge_experts, register_envs

__all__ = ["make_edge_experts", "register_envs"]
