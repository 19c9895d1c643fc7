"""Experiments from Python: `run`, `load`, `evaluate` and the `Run` that they work on.

    >>> import marl_moe
    >>> run = marl_moe.run("quickstart", env={"num_users": 8}, seeds=2)  # doctest: +SKIP
    >>> run.evaluation.groupby("policy")["gain"].mean()  # doctest: +SKIP

Nothing else is imported before one of them is used. The command `marl-moe` does the same.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marl_moe.api import evaluate, load, run
    from marl_moe.runs import Run

try:
    __version__ = version("marl-moe")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0+unknown"

__all__ = ["Run", "__version__", "evaluate", "load", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'marl_moe' has no attribute {name!r}")
    from marl_moe import api, runs

    return runs.Run if name == "Run" else getattr(api, name)
