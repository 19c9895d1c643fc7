"""Channels of users and experts in an area: the SNR follows from where they are."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from envs.arrays import Arrays, Float
from envs.channel.draws import standard_normal
from envs.channel.ends import Ends
from envs.channel.process import ChannelProcess, Positions, Shape
from envs.channel.registry import register
from envs.geometry.config import GeometryConfig
from envs.geometry.of_groups import NO_GROUPS, AgentGroups
from envs.geometry.path_loss import PathLoss
from envs.geometry.paths import Paths
from envs.geometry.shadowing import has_sight, obstruction_moved, shadowing_moved

THERMAL_DBM_HZ = -174.0  # kT at 290 K


@register("geometric")
@dataclass(frozen=True)
class Geometric(ChannelProcess):
    """SNR = transmit power + antenna gains - path loss - shadowing - noise, dB.

    The noise is -174 dBm/Hz + noise figure + 10 log10 of the expert's band. Arrays: `user_m` and
    `expert_m` (places, x, y and height, m), those of the mobilities (`user_*`, `expert_*`), the
    distance that experts moved in the last slot, where they move (`expert_moved_m`), gains of
    antennas where groups differ in them (`user_gain_db`, `expert_gain_db`), and of pairs
    `budget_db` (all but the path), `shadowing` (standard deviations) and `obstruction`
    (`envs.geometry.shadowing`).

    Attributes:
        geometry: the section.
        agent_groups: groups of users and of experts, which may have placements, mobilities, heights
            and antennas of their own.
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
    def _path_loss(self) -> PathLoss:
        return self._config.made_path_loss()

    @cached_property
    def _sigma_db(self) -> tuple[float, float]:
        """Standard deviation of shadowing with and without a line of sight, dB."""
        given = self._config.shadowing.sigma_db
        return self._path_loss.shadowing_db() if given is None else (given, given)

    def rician_k(self) -> float | None:
        """Return that of the section."""
        return self._config.rician_k

    def place_users(self, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Place the users."""
        return self._users.placed(shape, 0, rng, self._path_loss, self._experts)

    def place_experts(self, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Place the experts, which have moved nowhere yet."""
        return self.place_newcomers(shape, 0, rng)

    def place_newcomers(
        self, shape: tuple[int, int], first: int, rng: np.random.Generator
    ) -> Arrays:
        """Place the experts from number `first` on."""
        placed = self._experts.placed(shape, first, rng, self._path_loss, self._users)
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
        if any(self._sigma_db):
            pairs["shadowing"] = standard_normal(rng, shape)
        if self._path_loss.knows_sight:
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
        paths = Paths.between(state["user_m"], state["expert_m"], self._config.carrier_ghz)
        sight = np.ones((1, 1, 1), bool)
        if "obstruction" in state:
            sight = has_sight(state["obstruction"], self._path_loss.line_of_sight(paths))
        snr_db = state["budget_db"] - self._path_loss.loss_db(paths, sight)
        if "shadowing" in state:
            sigma_db = np.where(sight, *map(np.float32, self._sigma_db))
            snr_db -= sigma_db * state["shadowing"]
        return snr_db.astype(np.float32, copy=False)

    def positions(self, users: Arrays, experts: Arrays) -> Positions:
        """Return where users and experts are."""
        return Positions(users["user_m"][:, :, 0], experts["expert_m"][:, 0])
