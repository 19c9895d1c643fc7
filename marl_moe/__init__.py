"""Learning and running: SAC on RLlib, policies, experiments, and the `marl-moe` command."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("marl-moe")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
