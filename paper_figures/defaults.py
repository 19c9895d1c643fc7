"""matplotlib as it comes: nothing that a machine or a user set of it decides about a figure.

`matplotlibrc`, `MPLBACKEND` and rcParams that other code changed are the user's own; figures are
drawn in `looks(style)`, which starts from matplotlib's defaults. No figure needs a backend.
"""

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, chdir, contextmanager
from pathlib import Path
from typing import Any

_READ_AT_IMPORT = ("MPLBACKEND", "MATPLOTLIBRC")


def import_matplotlib() -> None:
    """Import matplotlib, without the user's settings where it cannot be imported with them.

    A backend that it does not know stops its import, as does a `matplotlibrc` that is no text. A
    warning then says why they are left aside.
    """
    try:
        import matplotlib
    except ImportError:
        raise  # it is not installed
    except Exception as error:
        warnings.warn(
            f"matplotlib is imported without your MPLBACKEND and matplotlibrc: {error}",
            RuntimeWarning,
            stacklevel=1,
        )
        for module in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[module]
        with _without_settings():
            import matplotlib  # noqa: F401 - all that imports it later finds it


def looks(style: Mapping[Any, Any]) -> AbstractContextManager[None]:
    """Return a context in which rcParams are matplotlib's defaults and a style alone.

    Args:
        style: rcParams in place of the defaults.
    """
    import matplotlib

    defaults: dict[Any, Any] = dict(matplotlib.rcParamsDefault)
    del defaults["backend"]  # of the process: no context gives it back
    context: AbstractContextManager[None] = matplotlib.rc_context(defaults | dict(style))
    return context


@contextmanager
def _without_settings() -> Iterator[None]:
    """Let matplotlib be imported as if the user had set nothing of it."""
    kept = {name: os.environ.pop(name) for name in _READ_AT_IMPORT if name in os.environ}
    os.environ["MATPLOTLIBRC"] = os.devnull
    try:
        with chdir(Path(__file__).parent):  # a matplotlibrc in the working folder comes first
            yield
    finally:
        del os.environ["MATPLOTLIBRC"]
        os.environ.update(kept)


import_matplotlib()
