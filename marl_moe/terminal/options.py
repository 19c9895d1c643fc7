"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        metavar="NAME,...",
        help="Columns of evaluation.parquet to show, in place of the usual ones.",
    ),
]
NoReport = Annotated[
    bool, typer.Option("--no-report", help="Write no report.html into the run folder.")
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run code that the run folder holds or names, though it comes from elsewhere or was "
        "changed; from then on it counts as yours.",
    ),
]
