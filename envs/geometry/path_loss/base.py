"""Path loss: what of the power is lost between a user and an expert, by where they are."""

from abc import ABC, abstractmethod

from envs.arrays import Bool, Float
from envs.geometry.models import Models
from envs.geometry.paths import Paths, Span


class PathLoss(ABC):
    """The loss of a path in dB: a frozen dataclass of its parameters, which keeps nothing else."""

    def line_of_sight(self, paths: Paths) -> Float:
        """Return the probability that a path has a line of sight, of a shape up to (N, U, C).

        A model that does not override this method makes no such difference.
        """
        raise NotImplementedError

    @property
    def least_elevation_deg(self) -> float | None:
        """Elevation of the expert over the user below which a pair is out of coverage, degrees.

        None, the default: there is no such limit. The loss of a pair below has to be finite.
        """
        return None

    @property
    def knows_sight(self) -> bool:
        """True where the loss depends on the line of sight."""
        return type(self).line_of_sight is not PathLoss.line_of_sight

    @abstractmethod
    def loss_db(self, paths: Paths, sight: Bool) -> Float:
        """Return the loss without shadowing, dB, of a shape up to (N, U, C).

        Args:
            paths: distances and heights.
            sight: (N, U, C) paths that have a line of sight; (1, 1, 1), all true, where the model
                makes no difference.
        """

    def shadowing_db(self) -> tuple[float, float]:
        """Return the standard deviation of shadowing with and without a line of sight, dB.

        It holds where `shadowing.sigma_db` is null. By default there is none.
        """
        return 0.0, 0.0

    def check(self, span: Span) -> None:  # noqa: B027  (not every model has limits)
        """Check that the model is made for all paths of a world; nothing by default.

        Raises:
            ValueError: it is not.
        """


PATH_LOSSES: Models[PathLoss] = Models("path loss", PathLoss)  # type: ignore[type-abstract]
register = PATH_LOSSES.register  # a decorator, `path_loss: {model: NAME}`
