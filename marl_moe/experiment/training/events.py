"""TensorBoard events of a training, on disk as soon as they are added.

tensorboardX's SummaryWriter leaves the last ones to a thread, and a kill would lose epochs that the
checkpoint keeps.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

PREFIX = "events.out.tfevents."


class TrainingEvents:
    """A new file of events in `folder`, for one sitting.

    Args:
        folder: where the files of all sittings lie.
        first_step: TensorBoard drops what other files hold of this step and later ones: they are
            trained again.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads files in the order of their names: the second they were begun in, then
        # their number. Where the clock was set back since, the second is the last one.
        begun = sorted(folder.glob(f"{PREFIX}*"))
        last_second = int(begun[-1].name.removeprefix(PREFIX).split(".")[0]) if begun else 0
        self._path = folder / f"{PREFIX}{max(int(time.time()), last_second):010d}.{len(begun):04d}"
        self._records = RecordWriter(str(self._path))
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        self._write(
            Event(
                wall_time=time.time(),
                step=first_step,
                session_log=SessionLog(status=SessionLog.START),
            )
        )

    def __enter__(self) -> "TrainingEvents":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._records.close()

    def add(self, scalars: Mapping[str, float], step: int) -> None:
        """Add scalars by their names.

        Raises:
            OSError: naming the file.
        """
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def _write(self, event: Event) -> None:
        try:
            self._records.write(event.SerializeToString())
            self._records.flush()
        except OSError as error:
            with suppress(OSError):  # it would try to write the rest
                self._records.close()
            raise OSError(error.errno, error.strerror, str(self._path)) from None
