"""The clock is set back by a day in the middle of a run, and by another before it is resumed."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from .command import PATIENCE_S, assert_same_run, started, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("one_core")]
DAY = 86_400
EVENTS = Path("checkpoints") / "seed_0" / "tensorboard"


@pytest.fixture
def clock(tmp_path: Path) -> tuple[Path, Path]:
    """Return a library that shifts the clock of a process, and the file that holds the seconds."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    library, shift = tmp_path / "clock.so", tmp_path / "shift"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True
    )
    shift.write_bytes(struct.pack("l", 0))
    return library, shift


def test_a_clock_set_back_changes_no_table_no_seconds_and_no_order(
    source: Path,
    whole: Path,
    tmp_path: Path,
    clock: tuple[Path, Path],
    read_scalars: Callable[[Path], list[tuple[str, int, float]]],
) -> None:
    library, shift = clock
    shifted = {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(shift)}
    folder = tmp_path / "out" / "tiny"
    run = started("run", source, "--out", folder.parent, **shifted)
    wait_until(lambda: list(folder.rglob("resume.safetensors")), run)
    run.send_signal(signal.SIGSTOP)
    with shift.open("rb+") as file:  # in place: the process has it mapped
        file.write(struct.pack("l", -DAY))
    run.send_signal(signal.SIGCONT)
    checkpoint = next(folder.rglob("resume.safetensors"))
    before = checkpoint.stat().st_mtime_ns
    wait_until(lambda: not checkpoint.exists() or checkpoint.stat().st_mtime_ns != before, run)
    run.kill()
    run.communicate(timeout=PATIENCE_S)

    with shift.open("rb+") as file:
        file.write(struct.pack("l", -2 * DAY))
    told = subprocess.check_output(
        [sys.executable, "-c", "import time; print(time.time())"], env=os.environ | shifted
    )
    assert time.time() - float(told) == pytest.approx(2 * DAY, abs=PATIENCE_S)
    resumed = started("resume", folder, **shifted)
    said = resumed.communicate(timeout=PATIENCE_S)
    assert resumed.returncode == 0, said
    assert_same_run(folder, whole)
    training = pd.read_parquet(folder / "training.parquet")
    assert training["seconds"].between(0, PATIENCE_S).all()
    assert (training["seconds"].diff().dropna() > 0).all()
    gains = [scalar for scalar in read_scalars(folder / EVENTS) if scalar[0] == "gain"]
    expected = zip(training["agent_steps"], training["gain"], strict=True)
    assert gains == [("gain", step, pytest.approx(gain, rel=1e-6)) for step, gain in expected]
