"""Path loss of all pairs, where groups of experts may have models of their own."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from envs.arrays import Bool, Float, Int
from envs.geometry.path_loss import PathLoss
from envs.geometry.paths import Paths


class Losses(NamedTuple):
    """The path losses of a world, each for some of its experts.

    What depends on the expert takes `kind`: the number of each expert's model, which broadcasts to
    (N, U, C), or None where all have the first. A model sees the paths to its own experts alone:
    where there are several, as arrays (1, 1, P).

    Attributes:
        models: the path losses, distinct.
        sigma_db: standard deviation of shadowing in place of that of the models, dB; None: theirs.
    """

    models: Sequence[PathLoss]
    sigma_db: float | None

    @property
    def knows_sight(self) -> bool:
        """True where any loss depends on the line of sight."""
        return any(model.knows_sight for model in self.models)

    @property
    def limits_elevation(self) -> bool:
        """True where any model has a least elevation."""
        return any(model.least_elevation_deg is not None for model in self.models)

    @property
    def shadows(self) -> bool:
        """True where there is shadowing."""
        return any(any(self._sigma_db(model)) for model in self.models)

    def line_of_sight(self, paths: Paths, kind: Int | None) -> Float:
        """Return the probability of a line of sight, 1 by a model that makes no difference."""
        if kind is None:
            return self.models[0].line_of_sight(paths)
        chances = np.ones(_shape(paths), np.float32)
        for model, mine in self._each(paths, kind):
            if model.knows_sight:
                chances[mine] = _flat(model.line_of_sight(_of(paths, mine)), mine)
        return chances

    def loss_db(self, paths: Paths, sight: Bool, kind: Int | None) -> Float:
        """Return the loss without shadowing, dB; `sight` is as `PathLoss.loss_db` has it."""
        if kind is None:
            return self.models[0].loss_db(paths, sight)
        loss_db, sight = np.empty(_shape(paths), np.float32), np.broadcast_to(sight, _shape(paths))
        for model, mine in self._each(paths, kind):
            seen = sight[mine][None, None] if model.knows_sight else np.ones((1, 1, 1), bool)
            loss_db[mine] = _flat(model.loss_db(_of(paths, mine), seen), mine)
        return loss_db

    def spread_db(self, sight: Bool, kind: Int | None) -> Float:
        """Return the standard deviation of shadowing, dB."""
        each = [np.where(sight, *map(np.float32, self._sigma_db(model))) for model in self.models]
        return each[0] if kind is None else np.choose(kind, each)

    def covered(self, paths: Paths, kind: Int | None) -> Bool | None:
        """Return the pairs that are not below the least elevation; None where there is none."""
        if not self.limits_elevation:
            return None
        return paths.elevation_deg >= self.least_elevation_deg(kind)

    def least_elevation_deg(self, kind: Int | None) -> Float:
        """Return the least elevation of each expert, degrees, -90 without a limit."""
        given = (model.least_elevation_deg for model in self.models)
        each = np.array([-90.0 if least is None else least for least in given], np.float32)
        return each[0] if kind is None else each[kind]

    def _sigma_db(self, model: PathLoss) -> tuple[float, float]:
        given = self.sigma_db
        return model.shadowing_db() if given is None else (given, given)

    def _each(self, paths: Paths, kind: Int) -> list[tuple[PathLoss, Bool]]:
        """Return the models and the pairs of each, (N, U, C)."""
        of_pairs = np.broadcast_to(kind, _shape(paths))
        return [(model, of_pairs == number) for number, model in enumerate(self.models)]


def _shape(paths: Paths) -> tuple[int, ...]:
    return paths.distance_m.shape


def _of(paths: Paths, mine: Bool) -> Paths:
    """Return some paths, as arrays (1, 1, P)."""

    def some(array: Float) -> Float:
        return np.broadcast_to(array, mine.shape)[mine][None, None]

    return Paths(
        ground_m=some(paths.ground_m),
        distance_m=some(paths.distance_m),
        user_height_m=some(paths.user_height_m),
        expert_height_m=some(paths.expert_height_m),
        carrier_ghz=paths.carrier_ghz,
    )


def _flat(values: Float, mine: Bool) -> Float:
    return np.broadcast_to(values, (1, 1, int(mine.sum())))[0, 0]
