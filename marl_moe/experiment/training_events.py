"""TensorBoard events of a training, on disk as soon as told.

tensorboardX's SummaryWriter leaves the last ones to a thread, and a kill would lose epochs that the checkpoint keeps.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary


class TrainingEvents:
    """A new file of events in `folder`, for one sitting.

    Args:
        folder: where the files of all sittings lie.
        first_step: TensorBoard drops what other files told of this step and later ones: they are trained again.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads files in the order of their names: the second they were begun in, then this number.
        number = len(list(folder.iterdir()))
        self._writer = EventsWriter(str(folder / "events"), filename_suffix=f".{number:04d}")
        self._writer.write_event(
            Event(wall_time=time.time(), step=first_step, session_log=SessionLog(status=SessionLog.START))
        )

    def __enter__(self) -> "TrainingEvents":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def add(self, scalars: Mapping[str, float], step: int) -> None:
        """Tell of scalars by their names."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._writer.write_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self._writer.flush()
