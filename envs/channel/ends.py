"""Users, or experts, in an area: where they are placed, and how those move who do.

Agents of the same placement are placed together, and those of the same mobility move together:
without keys of groups all of them. Each part of them has a generator of its own.
"""

from collections.abc import Sequence

import numpy as np

from envs.arrays import Arrays, Bool, Float, Int
from envs.channel.parts import Model, Part, own_generator, with_generators
from envs.channel.process import ChannelError
from envs.geometry.config import EndConfig, GeometryConfig
from envs.geometry.mobility import Mobility, Static
from envs.geometry.of_groups import end_of, losses_of
from envs.geometry.path_loss import PathLoss
from envs.geometry.placement import Placement
from envs.groups import Groups, members

_ALL = slice(None)
_KEPT = ("m", "moved_m", "gain_db", "group")  # arrays of agents that are of no mobility


class Ends:
    """Users or experts: parts that are placed and move together, heights and gains.

    Attributes:
        name: "user" or "expert", which names of arrays begin with.
        placements: parts that are placed together.
        mobilities: parts that move together.
        heights_m: heights of antennas that are configured.
        losses: path loss of each group of experts; none of users.

    Args:
        name: as above.
        geometry: the section.
        groups: of the side.
    """

    def __init__(self, name: str, geometry: GeometryConfig, groups: Groups | None) -> None:
        self.name, self._geometry, self._groups = name, geometry, groups
        self._section: EndConfig = getattr(geometry, f"{name}s")
        self._of = {
            group: end_of(self._section, own) for group, own in (groups or {"": {}}).items()
        }
        self.placements = self._shared(
            {group: ("placement", end.made_placement()) for group, end in self._of.items()}
        )
        self.mobilities = self._shared(
            {group: ("mobility", end.made_mobility()) for group, end in self._of.items()}
        )
        self.heights_m = sorted({end.height_m for end in self._of.values()})
        self.losses = losses_of(geometry, groups) if name == "expert" else {}
        self._groups_of: dict[tuple[int, int], list[str]] = {}

    @property
    def moves(self) -> bool:
        """True where anybody does."""
        return any(not isinstance(part.model, Static) for part in self.mobilities)

    @property
    def foresees(self) -> bool:
        """True where the way of anybody is known."""
        return any(part.model.foresees for part in self.mobilities)

    @property
    def gain_db(self) -> float | None:
        """Gain of all antennas, dBi; None where groups differ in it."""
        gains = {end.antenna_gain_db for end in self._of.values()}
        return gains.pop() if len(gains) == 1 else None

    def placed(
        self,
        shape: tuple[int, int],
        first: int,
        rng: np.random.Generator,
        others: "Ends",
    ) -> Arrays:
        """Draw places and what mobilities have beside, (N, M, ...).

        Args:
            shape: (N, M), worlds and agents.
            first: number of the first of the agents.
            rng: generator of all draws.
            others: the other side.

        Raises:
            ChannelError: a file has no places for the agents, or of heights that the path loss is
                not made for; the message has the key.
            ValueError: places are not in the area.
        """
        area, draws = self._geometry.area, own_generator(rng)
        ground = np.empty((*shape, 2), np.float32)
        height = np.empty((*shape, 1), np.float32)
        height[...] = self._each([end.height_m for end in self._of.values()], first, shape[1])
        for part, own in with_generators(self.placements, draws):
            index, count = self._agents(part, first, shape[1])
            if not count:
                continue
            try:
                places = part.model.draw((shape[0], count), area, own)
            except ValueError as error:
                raise ChannelError(f"{part.key}: {error}") from error
            if places.shape[:-1] != (shape[0], count) or places.shape[-1] not in (2, 3):
                kind = type(part.model).__name__
                raise ValueError(
                    f"{part.key}: {kind} should give places of shape {(shape[0], count, 2)}, or "
                    f"{(shape[0], count, 3)} with heights, got {places.shape}"
                )
            ground[:, index] = places[..., :2]
            if places.shape[-1] > 2:
                height[:, index] = places[..., 2:]
                self._check_heights(part, places, (height, first), others)
        arrays: Arrays = {}
        for number, (moving, own) in enumerate(with_generators(self.mobilities, draws)):
            index, count = self._agents(moving, first, shape[1])
            begin = ground[:, index]
            if moving.model.leaves_area:
                begin = np.concatenate([begin, height[:, index]], axis=-1)
            after, beside = moving.model.start(begin, area, own)
            self._check_inside(moving, after, begin.shape)
            ground[:, index] = after[..., :2]
            if moving.model.leaves_area:
                height[:, index] = after[..., 2:]
            for name, array in beside.items():
                if name in _KEPT:
                    raise ValueError(f"{moving.key}: no array may be called {name!r}")
                whole = np.zeros((*shape, *array.shape[2:]), array.dtype)
                whole[:, index] = array
                arrays[f"{self._prefix(number)}{name}"] = whole
        arrays[f"{self.name}_m"] = np.concatenate([ground, height], axis=-1, dtype=np.float32)
        if self.gain_db is None:
            gains = self._each([end.antenna_gain_db for end in self._of.values()], first, shape[1])
            arrays[f"{self.name}_gain_db"] = np.broadcast_to(gains[:, 0], shape).copy()
        return arrays

    def numbered(self, shape: tuple[int, int], first: int) -> Int:
        """Return the number of the group of each agent from `first` on, (N, M)."""
        number = {group: place for place, group in enumerate(self._of)}
        own = [number[group] for group in self._names(first, shape[1])]
        return np.broadcast_to(np.array(own or [0]), shape).copy()

    def moved(self, state: Arrays, slot_s: float, rng: np.random.Generator) -> tuple[Arrays, Float]:
        """Return what moving for a slot changes, and the distance from place to place, m."""
        before = state[f"{self.name}_m"]
        if not self.moves:
            return {}, np.zeros(before.shape[:-1], np.float32)
        draws, leading = own_generator(rng), before.shape[:-1]
        start = _by_agent(before)
        places, changed = start.copy(), {}
        for number, (part, own) in enumerate(with_generators(self.mobilities, draws)):
            index, _ = self._agents(part, 0, start.shape[1])
            if isinstance(part.model, Static):
                continue
            prefix = self._prefix(number)
            known = {
                name: _by_agent(array)[:, index]
                for name, array in self._state_of(state, number).items()
            }
            area, axes = self._geometry.area, 3 if part.model.leaves_area else 2
            here = places[:, index, :axes]
            after, new = part.model.move(here, known, area, slot_s, own)
            self._check_inside(part, after, here.shape)
            places[:, index, :axes] = after
            for name, array in new.items():
                if index is not _ALL and name in known:
                    whole = _by_agent(state[f"{prefix}{name}"]).copy()
                    whole[:, index] = array
                    array = whole
                changed[f"{prefix}{name}"] = array.reshape(*leading, *array.shape[2:])
        offset = places - start
        distance = np.hypot(offset[..., 0], offset[..., 1]).astype(np.float32, copy=False)
        if any(part.model.leaves_area for part in self.mobilities):
            distance = np.hypot(distance, offset[..., 2])
        return changed | {f"{self.name}_m": places.reshape(before.shape)}, distance.reshape(leading)

    def above_for_s(
        self, state: Arrays, viewer_m: Float, elevation_deg: Float, group: Int | None
    ) -> Float:
        """Return how long agents will be above an elevation, infinite where that is not known, s.

        Args:
            state: arrays of pairs.
            viewer_m: places from which they are seen, which broadcast against theirs, (..., 3) m.
            elevation_deg: the elevation of each agent, degrees.
            group: number of the group of each agent; None where all are of one mobility.
        """
        shape = np.broadcast_shapes(state[f"{self.name}_m"].shape, viewer_m.shape)[:-1]
        left_s = np.full(shape, np.inf, np.float32)
        numbers = {name: number for number, name in enumerate(self._of)}
        for number, part in enumerate(self.mobilities):
            if not part.model.foresees:
                continue
            of_part = [numbers[name] for name in part.groups]
            asked = (elevation_deg > -90) & (group is None or np.isin(group, of_part))
            mine = np.broadcast_to(asked, shape)

            def some(array: Float, mine: Bool = mine) -> Float:
                return np.broadcast_to(array, mine.shape + array.shape[3:])[mine]

            known = self._state_of(state, number)
            known_s = part.model.above_for_s(
                some(state[f"{self.name}_m"]),
                {name: some(array) for name, array in known.items()},
                some(viewer_m),
                np.broadcast_to(elevation_deg, shape)[mine],
            )
            if known_s is not None:
                left_s[mine] = known_s
        return left_s

    def _shared(self, models: dict[str, tuple[str, Model]]) -> list[Part[Model]]:
        """Return the parts that share a model, in the order of groups."""
        parts: list[Part[Model]] = []
        for group, (key, model) in models.items():
            part = next((one for one in parts if one.model == model), None)
            if part is not None:
                part.groups.append(group)
                continue
            where = f"{self.name}_groups.{group}"
            if key not in (self._groups or {}).get(group, {}):
                where = f"channel.geometry.{self.name}s"
            parts.append(Part(f"env.{where}.{key}", model, [group]))
        return parts

    def _agents(self, part: Part[Model], first: int, count: int) -> tuple[Int | slice, int]:
        """Return the agents of a part among `count` from `first` on, and their number."""
        if len(part.groups) == len(self._of):
            return _ALL, count
        index = np.flatnonzero([group in part.groups for group in self._names(first, count)])
        return index, len(index)

    def _each(self, of_groups: Sequence[float], first: int, count: int) -> Float:
        """Return a number of each agent, (M, 1), given that of each group."""
        if len(set(of_groups)) == 1:
            return np.full((count, 1), of_groups[0], np.float32)
        by_group = dict(zip(self._of, of_groups, strict=True))
        each = [by_group[group] for group in self._names(first, count)]
        return np.array(each, np.float32)[:, None]

    def _names(self, first: int, count: int) -> list[str]:
        """Return the group of each of `count` agents from `first` on."""
        if (first, count) not in self._groups_of:
            found = members(self._groups, first + count)[first:]
            self._groups_of[first, count] = [group for group, _ in found]
        return self._groups_of[first, count]

    def _state_of(self, state: Arrays, part: int) -> Arrays:
        """Return the arrays of a mobility by the names that it gave them."""
        prefix = self._prefix(part)
        return {
            name.removeprefix(prefix): array
            for name, array in state.items()
            if name.startswith(prefix) and name.removeprefix(prefix) not in _KEPT
        }

    def _prefix(self, part: int) -> str:
        """Return what names of arrays of a mobility begin with."""
        return f"{self.name}_" if len(self.mobilities) == 1 else f"{self.name}_{part}_"

    def _check_inside(self, part: Part[Mobility], ground: Float, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless places have that shape and are in the area, or may leave it."""
        if part.model.leaves_area:
            if ground.shape != shape or not np.isfinite(ground).all():
                raise ValueError(
                    f"{part.key}: {type(part.model).__name__} should give finite places of shape "
                    f"{shape}, x, y and height"
                )
        elif ground.shape != shape or not self._geometry.area.holds(ground):
            width_m, depth_m = self._geometry.area_m
            raise ValueError(
                f"{part.key}: {type(part.model).__name__} should give places of shape {shape} in "
                f"the area of {width_m:g} x {depth_m:g} m"
            )

    def _check_heights(
        self, part: Part[Placement], places: Float, of_all: tuple[Float, int], others: "Ends"
    ) -> None:
        """Check that path losses are made for the heights of a placement.

        Args:
            part: the placement.
            places: that it gave, (N, P, 3) m.
            of_all: heights of all agents, (N, M, 1) m, and the number of the first of them.
            others: the other side.

        Raises:
            ChannelError: one is not; the message names the key and the first such place.
        """
        heights, first = of_all
        for group in part.groups:
            index, _ = self._agents(part._replace(groups=[group]), first, heights.shape[1])
            for height in np.unique(heights[:, index]).tolist():
                for other, path_loss in self._opposite(group, others):
                    both = (height, height), (other, other)
                    users, experts = both if self.name == "user" else reversed(both)
                    try:
                        path_loss.check(self._geometry.span(users, experts))
                    except ValueError as error:
                        world, agent = np.argwhere(places[..., 2] == np.float32(height))[0]
                        raise ChannelError(
                            f"{part.key}: {part.model.place_of(agent)}, "
                            f"{places[world, agent].tolist()}: {error}"
                        ) from error

    def _opposite(self, group: str, others: "Ends") -> list[tuple[float, PathLoss]]:
        """Return heights of the other side, m, and the path loss between a group and each."""
        if self.losses:
            return [(height_m, self.losses[group]) for height_m in others.heights_m]
        return [(others._of[name].height_m, loss) for name, loss in others.losses.items()]


def _by_agent(array: Float) -> Float:
    """Arrange an array of users (N, U, 1, ...) or of experts (N, 1, E, ...) as (N, M, ...)."""
    return array.reshape(len(array), -1, *array.shape[3:])
