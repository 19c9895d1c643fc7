"""Channels of users and experts in an area: the SNR follows from where they are."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from envs.arrays import Arrays, Bool, Float, Int
from envs.channel.draws import standard_normal
from envs.channel.ends import Ends
from envs.channel.process import ChannelProcess, Positions, Shape
from envs.channel.registry import register
from envs.geometry.config import GeometryConfig
from envs.geometry.losses import Losses
from envs.geometry.of_groups import NO_GROUPS, AgentGroups
from envs.geometry.path_loss import PathLoss
from envs.geometry.paths import SPEED_OF_LIGHT, Paths
from envs.geometry.shadowing import has_sight, obstruction_moved, shadowing_moved

THERMAL_DBM_HZ = -174.0  # kT at 290 K


@register("geometric")
@dataclass(frozen=True)
class Geometric(ChannelProcess):
    """SNR = transmit power + antenna gains - path loss - shadowing - noise, dB.

    The noise is -174 dBm/Hz + noise figure + 10 log10 of the expert's band. Arrays: `user_m` and
    `expert_m` (places, x, y and height, m), those of the mobilities (`user_*`, `expert_*`), the
    distance that experts moved in the last slot, where they move (`expert_moved_m`), gains of
    antennas where groups differ in them (`user_gain_db`, `expert_gain_db`), numbers of groups where
    losses or foresight depend on them (`expert_group`), and of pairs
    `budget_db` (all but the path), `shadowing` (standard deviations) and `obstruction`
    (`envs.geometry.shadowing`).

    Attributes:
        geometry: the section.
        agent_groups: groups of users and of experts, which may have placements, mobilities, heights
            and antennas of their own, and those of experts path losses.
    """

    geometry: GeometryConfig | None
    agent_groups: AgentGroups = NO_GROUPS

    def __post_init__(self) -> None:
        if self.geometry is None:
            raise ValueError(
                "process: geometric needs the section geometry; geometry: {} has all its defaults"
            )

    @property
    def _config(self) -> GeometryConfig:
        assert self.geometry is not None  # see `__post_init__`
        return self.geometry

    @cached_property
    def _users(self) -> Ends:
        return Ends("user", self._config, self.agent_groups.users)

    @cached_property
    def _experts(self) -> Ends:
        return Ends("expert", self._config, self.agent_groups.experts)

    @cached_property
    def _losses(self) -> Losses:
        distinct: list[PathLoss] = []
        for model in self._experts.losses.values():
            if model not in distinct:
                distinct.append(model)
        return Losses(distinct, self._config.shadowing.sigma_db)

    @cached_property
    def _kind_of_group(self) -> Int:
        """Number of the path loss of each group of experts."""
        models = self._losses.models
        return np.array([models.index(model) for model in self._experts.losses.values()])

    @property
    def _groups_matter(self) -> bool:
        """True where a path loss, or what is known of a way, depends on the group of an expert."""
        several = len(self._experts.mobilities) > 1
        return len(self._losses.models) > 1 or (several and self.limits_time())

    def rician_k(self) -> float | None:
        """Return that of the section."""
        return self._config.rician_k

    def place_users(self, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Place the users."""
        return self._users.placed(shape, 0, rng, self._experts)

    def place_experts(self, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Place the experts, which have moved nowhere yet."""
        return self.place_newcomers(shape, 0, rng)

    def place_newcomers(
        self, shape: tuple[int, int], first: int, rng: np.random.Generator
    ) -> Arrays:
        """Place the experts from number `first` on."""
        placed = self._experts.placed(shape, first, rng, self._users)
        if self._groups_matter:
            placed["expert_group"] = self._experts.numbered(shape, first)
        if self._experts.moves:
            placed["expert_moved_m"] = np.zeros(shape, np.float32)
        return placed

    def large_scale(
        self, shape: Shape, users: Arrays, experts: Arrays, rng: np.random.Generator
    ) -> Arrays:
        """Draw shadowing and obstruction of pairs, and compute the budget of each."""
        config = self._config
        power_dbm = 10 * np.log10(experts["tx_power_w"]) + np.float32(30)
        noise_dbm = 10 * np.log10(experts["bandwidth_hz"])
        noise_dbm += np.float32(THERMAL_DBM_HZ + config.noise_figure_db)
        common_db = (self._users.gain_db or 0.0) + (self._experts.gain_db or 0.0)
        budget_db = power_dbm - noise_dbm + np.float32(common_db)
        for name, ends in (("user_gain_db", users), ("expert_gain_db", experts)):
            if name in ends:  # where groups differ in it
                budget_db = budget_db + ends[name]
        pairs = {"budget_db": np.broadcast_to(budget_db, shape)}
        if self._losses.shadows:
            pairs["shadowing"] = standard_normal(rng, shape)
        if self._losses.knows_sight:
            pairs["obstruction"] = rng.random(shape, np.float32)
        return pairs

    def mean_db(self, state: Arrays) -> Float:
        """Return the SNR, which is a mean over fading already, dB."""
        return self.snr_of(state)

    def small_scale(self, shape: Shape, state: Arrays, rng: np.random.Generator) -> Arrays:
        """Return nothing: the SNR follows from places and the large scale."""
        return {}

    def following_experts(self, experts: Arrays, slot_s: float, rng: np.random.Generator) -> Arrays:
        """Move the experts."""
        moved, distance = self._experts.moved(experts, slot_s, rng)
        return moved | {"expert_moved_m": distance} if self._experts.moves else {}

    def following(
        self, shape: Shape, state: Arrays, slot_s: float, rng: np.random.Generator
    ) -> Arrays:
        """Move the users, and change shadowing and obstruction by the distance moved."""
        if not (self._users.moves or self._experts.moves):
            return {}
        changed, moved_m = self._users.moved(state, slot_s, rng)
        shadowing = self._config.shadowing
        if self._experts.moves:
            moved_m = moved_m + state["expert_moved_m"]
        if "shadowing" in state:
            noise = standard_normal(rng, shape)
            before, reach_m = state["shadowing"], shadowing.decorrelation_m
            changed["shadowing"] = shadowing_moved(before, moved_m, reach_m, noise)
        if "obstruction" in state:
            noise = standard_normal(rng, shape)
            before, reach_m = state["obstruction"], shadowing.sight_decorrelation_m
            changed["obstruction"] = obstruction_moved(before, moved_m, reach_m, noise)
        return changed

    def snr_of(self, state: Arrays) -> Float:
        """Return the SNR, its mean over fading within the slot, (N, U, C) dB."""
        paths, kind, losses = self._paths(state), self._kind(state), self._losses
        sight = np.ones((1, 1, 1), bool)
        if "obstruction" in state:
            sight = has_sight(state["obstruction"], losses.line_of_sight(paths, kind))
        snr_db = state["budget_db"] - losses.loss_db(paths, sight, kind)
        if "shadowing" in state:
            snr_db -= losses.spread_db(sight, kind) * state["shadowing"]
        return snr_db.astype(np.float32, copy=False)

    def covered(self, state: Arrays) -> Bool | None:
        """Return the pairs whose expert is above the least elevation of its path loss."""
        if not self._losses.limits_elevation:
            return None
        return self._losses.covered(self._paths(state), self._kind(state))

    def limits_time(self) -> bool:
        """Return whether an expert whose way is known has a least elevation."""
        return self._experts.foresees and self._losses.limits_elevation

    def covered_for_s(self, state: Arrays) -> Float | None:
        """Return the time until an expert is below the least elevation, where its way is known.

        Users count as staying where they are.
        """
        if not self.limits_time():
            return None
        least_deg = self._losses.least_elevation_deg(self._kind(state))
        group = state.get("expert_group")
        return self._experts.above_for_s(state, state["user_m"], least_deg, group)

    def propagation_s(self, state: Arrays) -> Float | None:
        """Return distance / c, where the section asks for it."""
        if not self._config.propagation_delay:
            return None
        return self._paths(state).distance_m * np.float32(1 / SPEED_OF_LIGHT)

    def _paths(self, state: Arrays) -> Paths:
        return Paths.between(state["user_m"], state["expert_m"], self._config.carrier_ghz)

    def _kind(self, state: Arrays) -> Int | None:
        """Return the number of the path loss of each expert; None where there is one."""
        if len(self._losses.models) == 1:
            return None
        return self._kind_of_group[state["expert_group"]]

    def positions(self, users: Arrays, experts: Arrays) -> Positions:
        """Return where users and experts are."""
        return Positions(users["user_m"][:, :, 0], experts["expert_m"][:, 0])
