"""Channels of users and experts in an area: the SNR follows from where they are."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from envs.arrays import Arrays, Float
from envs.channel.draws import standard_normal
from envs.channel.process import ChannelError, ChannelProcess, Positions, Shape
from envs.channel.registry import register
from envs.geometry.config import EndConfig, GeometryConfig
from envs.geometry.mobility import Mobility, Static
from envs.geometry.path_loss import PathLoss
from envs.geometry.paths import Paths
from envs.geometry.placement import Placement
from envs.geometry.shadowing import has_sight, obstruction_moved, shadowing_moved

THERMAL_DBM_HZ = -174.0  # kT at 290 K


class _End(NamedTuple):
    """Users or experts: their section, and the parts that it names."""

    name: str
    config: EndConfig
    placement: Placement
    mobility: Mobility

    @property
    def moves(self) -> bool:
        return not isinstance(self.mobility, Static)

    @classmethod
    def of(cls, name: str, config: EndConfig) -> "_End":
        return cls(name, config, config.made_placement(), config.made_mobility())


@register("geometric")
@dataclass(frozen=True)
class Geometric(ChannelProcess):
    """SNR = transmit power + antenna gains - path loss - shadowing - noise, dB.

    The noise is -174 dBm/Hz + noise figure + 10 log10 of the expert's band. Arrays: `user_m` and
    `expert_m` (places, x, y and height, m), those of the mobilities (`user_*`, `expert_*`), the
    distance that experts moved in the last slot, where they move (`expert_moved_m`), and of pairs
    `budget_db` (all but the path), `shadowing` (standard deviations) and `obstruction`
    (`envs.geometry.shadowing`).

    Attributes:
        geometry: the section.
    """

    geometry: GeometryConfig | None

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
    def _users(self) -> _End:
        return _End.of("user", self._config.users)

    @cached_property
    def _experts(self) -> _End:
        return _End.of("expert", self._config.experts)

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
        return self._placed(self._users, shape, rng)

    def place_experts(self, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Place the experts, which have moved nowhere yet."""
        placed = self._placed(self._experts, shape, rng)
        if self._experts.moves:
            placed["expert_moved_m"] = np.zeros(shape, np.float32)
        return placed

    def large_scale(
        self, shape: Shape, users: Arrays, experts: Arrays, rng: np.random.Generator
    ) -> Arrays:
        """Draw shadowing and obstruction of pairs, and compute the budget of each."""
        config = self._config
        gains_db = config.users.antenna_gain_db + config.experts.antenna_gain_db
        power_dbm = 10 * np.log10(experts["tx_power_w"]) + np.float32(30)
        noise_dbm = 10 * np.log10(experts["bandwidth_hz"])
        noise_dbm += np.float32(THERMAL_DBM_HZ + config.noise_figure_db)
        budget_db = power_dbm - noise_dbm + np.float32(gains_db)
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
        moved, distance = self._moved(self._experts, experts, slot_s, rng)
        return moved | {"expert_moved_m": distance} if self._experts.moves else {}

    def following(
        self, shape: Shape, state: Arrays, slot_s: float, rng: np.random.Generator
    ) -> Arrays:
        """Move the users, and change shadowing and obstruction by the distance moved."""
        if not (self._users.moves or self._experts.moves):
            return {}
        changed, moved_m = self._moved(self._users, state, slot_s, rng)
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

    def _placed(self, end: _End, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Draw places and what the mobility has beside, (N, M, ...).

        Raises:
            ChannelError: a file has no places for the agents, or of heights that the path loss is
                not made for; the message has the key.
            ValueError: places are not in the area.
        """
        config, draws = self._config, _generator(rng)
        try:
            places = end.placement.draw(shape, config.area, draws)
        except ValueError as error:
            raise ChannelError(f"env.channel.geometry.{end.name}s.placement: {error}") from error
        ground, arrays = end.mobility.start(places[..., :2], config.area, draws)
        self._check_inside(end, ground, (*shape, 2))
        for name in arrays.keys() & {"m", "moved_m"}:
            raise ValueError(f"geometry.{end.name}s.mobility: no array may be called {name!r}")
        height = np.full((*shape, 1), end.config.height_m, np.float32)
        if places.shape[-1] > 2:
            height = places[..., 2:]
            self._check_heights(end, places)
        named = {f"{end.name}_{name}": array for name, array in arrays.items()}
        return {
            f"{end.name}_m": np.concatenate([ground, height], axis=-1, dtype=np.float32)
        } | named

    def _moved(
        self, end: _End, state: Arrays, slot_s: float, rng: np.random.Generator
    ) -> tuple[Arrays, Float]:
        """Return what moving for a slot changes, and the distance from place to place, m."""
        before, prefix = state[f"{end.name}_m"], f"{end.name}_"
        if not end.moves:
            return {}, np.zeros(before.shape[:-1], np.float32)
        ground = before[..., :2]
        own = {
            name.removeprefix(prefix): array
            for name, array in state.items()
            if name.startswith(prefix) and name not in (f"{prefix}m", f"{prefix}moved_m")
        }
        after, changed = end.mobility.move(ground, own, self._config.area, slot_s, _generator(rng))
        self._check_inside(end, after, ground.shape)
        offset = after - ground
        distance = np.hypot(offset[..., 0], offset[..., 1]).astype(np.float32, copy=False)
        places = np.concatenate([after, before[..., 2:]], axis=-1, dtype=np.float32)
        return {f"{prefix}m": places} | {f"{prefix}{k}": v for k, v in changed.items()}, distance

    def _check_inside(self, end: _End, ground: Float, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless places have that shape and are in the area."""
        if ground.shape != shape or not self._config.area.holds(ground):
            raise ValueError(
                f"geometry.{end.name}s: {type(end.mobility).__name__} should give places of shape "
                f"{shape} in the area of {self._config.area_m[0]:g} x {self._config.area_m[1]:g} m"
            )

    def _check_heights(self, end: _End, places: Float) -> None:
        """Check that the path loss is made for the heights of a placement, (N, M, 3) m.

        Raises:
            ChannelError: it is not; the message names the key and the first such place.
        """
        for height in np.unique(places[..., 2]).tolist():
            of_users = of_experts = height, height
            if end is self._users:
                of_experts = (self._config.experts.height_m,) * 2
            else:
                of_users = (self._config.users.height_m,) * 2
            try:
                self._path_loss.check(self._config.span(of_users, of_experts))
            except ValueError as error:
                world, agent = np.argwhere(places[..., 2] == np.float32(height))[0]
                raise ChannelError(
                    f"env.channel.geometry.{end.name}s.placement: {end.placement.place_of(agent)}, "
                    f"{places[world, agent].tolist()}: {error}"
                ) from error


def _generator(rng: np.random.Generator) -> np.random.Generator:
    """Return a generator of its own for a part, so that what it draws shifts no other's draws."""
    return np.random.default_rng(int(rng.integers(2**63)))
