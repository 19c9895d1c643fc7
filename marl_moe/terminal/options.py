"""Options that several commands take."""

from typing import Annotated

import typer

Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run code that the run folder holds or names, though it comes from elsewhere or was "
        "changed; from then on it counts as yours.",
    ),
]
