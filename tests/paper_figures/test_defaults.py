"""Nothing that a machine or a user set of matplotlib decides about a figure."""

import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import matplotlib
import pandas as pd
import pytest

from paper_figures import render, save

ROOT = Path(__file__).parents[2]
Tables = dict[str, pd.DataFrame]
OF_A_USER = {
    "text.usetex": True,  # without LaTeX on this machine
    "font.family": ["No Such Font"],
    "font.weight": "bold",
    "path.sketch": (1.0, 100.0, 2.0),
    "savefig.facecolor": "black",
    "axes.facecolor": "red",
    "axes.unicode_minus": False,
    "figure.constrained_layout.w_pad": 0.5,
    "legend.loc": "lower left",
    "pdf.compression": 0,
}


def pages(tables: Tables) -> list[bytes]:
    drawn, _, failed = render(tables, ["policies"])
    assert failed == {}
    written = []
    for file_format in ("pdf", "png"):
        page = BytesIO()
        save("policies", drawn["policies"], page, file_format)
        written.append(page.getvalue())
    return written


def test_what_a_user_set_of_matplotlib_changes_no_byte_and_stays_set(
    make_tables: Callable[..., Tables],
) -> None:
    tables = make_tables(episodes=3, epochs=3)
    plain = pages(tables)
    with matplotlib.rc_context(OF_A_USER):
        assert pages(tables) == plain
        assert matplotlib.rcParams["text.usetex"] is True


@pytest.mark.parametrize(
    ("backend", "rc", "warned"),
    [("nonsense", b"", "nonsense"), ("agg", b"\xff\xfe", "utf-8"), ("TkAgg", b"backend: x", "")],
)
def test_a_backend_or_matplotlibrc_that_stops_its_import_is_left_aside_and_said(
    tmp_path: Path, backend: str, rc: bytes, warned: str
) -> None:
    (tmp_path / "matplotlibrc").write_bytes(rc)  # of the working folder, which comes first
    program = "import paper_figures, matplotlib.figure, os; print(os.environ['MPLBACKEND'])"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": backend, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (0, f"{backend}\n"), done.stderr
    said = "without your MPLBACKEND and matplotlibrc"
    assert (said in done.stderr) == bool(warned)
    assert warned in done.stderr
