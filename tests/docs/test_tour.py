"""The notebook runs from the first cell to the last."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat

RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
nbformat.write(notebook, "executed.ipynb")
"""


def test_the_tour_runs_learns_and_ends_in_a_figure(docs: Path, tmp_path: Path) -> None:
    """In a process of its own, since a kernel's event loop and this one's Ray are better kept
    apart.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "IPYTHONDIR": str(tmp_path / "ipython")}
    command = [sys.executable, "-c", RUN, str(docs / "tour.ipynb")]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    cells = nbformat.read(tmp_path / "executed.ipynb", as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(
        output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs
    )
    assert "image/png" in outputs[-1]["data"]
    gain = {
        line.split()[0]: float(line.split()[-1])
        for line in text.splitlines()
        if line.startswith(("sac ", "random "))
    }
    assert gain["sac"] > gain["random"] + 1


def test_the_committed_tour_holds_no_outputs(docs: Path) -> None:
    notebook = nbformat.read(docs / "tour.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
