"""What ends a training before its time."""


class TrainingError(RuntimeError):
    """Training cannot go on, as by the death of a process; the last checkpoint is kept.

    The message says what to do.
    """
