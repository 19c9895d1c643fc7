"""Training that goes on where it was killed: its checkpoints, and when they are written."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from envs import MODEL
from marl_moe.experiment.progress import Row
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.section import first_difference
from marl_moe.experiment.training.checkpoint import read_checkpoint, refusal, write_checkpoint

LAYOUT = 7  # raised with every change to what a state holds
# Transitions trained on between two checkpoints, per transition that the replay holds.
TRAINED_PER_HELD = 3
LEAST_TRANSITIONS = 30_000  # trained on between two checkpoints


class Resumption:
    """The checkpoint of one seed's training: its rows so far, and the algorithm's whole state.

    Where the state of an algorithm is not enough to go on from, only its rows are written, at the
    end, and a seed that was interrupted begins again.

    Args:
        spec: the experiment that is trained.
        folder: where the checkpoint goes.
        resumable: whether the algorithm's state is enough to go on from.
    """

    def __init__(self, spec: ExperimentSpec, folder: Path, resumable: bool) -> None:
        self._folder = folder
        plain = spec.as_dict()
        if plain["algorithm"] is not None:
            plain["algorithm"] = plain["algorithm"] | {"stop": None}  # it may be extended
        self._experiment = {
            section: plain[section] for section in ("env", "mechanism", "algorithm", "metrics")
        }
        self._resumable = resumable
        self._updates_at_last = 0

    def read(self) -> tuple[list[Row], dict[str, Any] | None]:
        """Return the rows so far and the state to go on from.

        There is no state before the first checkpoint and after the last epoch.

        Raises:
            CheckpointError: it is damaged, or of another experiment or version.
        """
        state = read_checkpoint(self._folder)
        if state is None:
            return [], None
        if state.get("versions") != _versions():
            raise refusal(
                self._folder, f"written by {state.get('versions')}, this is {_versions()}"
            )
        changed = first_difference(state.get("experiment"), self._experiment)
        if changed is not None:
            key, before, _ = changed
            what = f"experiment.yaml has changed since, {key} was {before!r}: put that back"
            raise refusal(self._folder, what)
        try:
            rows = _rows(state["rows"])
            self._updates_at_last = rows[-1]["updates"]
            return rows, state["algorithm"]
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise refusal(self._folder, f"no checkpoint of a training ({error})") from None

    def is_due(self, algorithm: Any, rows: list[Row], stops: bool = False) -> bool:
        """Return whether to write a checkpoint now: where training stops, and at intervals.

        These are `checkpoint_frequency` epochs, if given.
        Otherwise once `TRAINED_PER_HELD` times as many transitions were trained on as the replay
        holds: the time of writing goes with those held, and so stays a small share of training.
        """
        if not self._resumable:
            return False
        if stops:
            return True
        config = algorithm.config
        if config.checkpoint_frequency is not None:
            return bool(len(rows) % config.checkpoint_frequency == 0)
        an_update = config.total_train_batch_size * len(config.env_config["module_users"])
        transitions = (rows[-1]["updates"] - self._updates_at_last) * an_update
        return bool(
            transitions
            >= max(TRAINED_PER_HELD * len(algorithm.local_replay_buffer), LEAST_TRANSITIONS)
        )

    def write(self, rows: list[Row], algorithm_state: dict[str, Any] | None) -> None:
        """Write rows and state; None as the state where training is over."""
        self._updates_at_last = rows[-1]["updates"]
        names = dict.fromkeys(name for row in rows for name in row)
        # What callbacks log may begin in a later epoch.
        columns = {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
        write_checkpoint(
            self._folder,
            {
                "versions": _versions(),
                "experiment": self._experiment,
                "rows": columns,
                "algorithm": algorithm_state,
            },
        )


def _versions() -> str:
    return f"model {MODEL} of the world, layout {LAYOUT} with " + ", ".join(
        f"{name} {version(name)}" for name in ("ray", "torch", "numpy")
    )


def _rows(columns: dict[str, Any]) -> list[Row]:
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]
