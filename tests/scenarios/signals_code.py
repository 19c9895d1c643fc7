"""The modules of the scenario of signals, imported as its own files import each other."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[2] / "experiments" / "scenarios" / "signals"


def module(name: str) -> ModuleType:
    """Return a module of the scenario, and leave its short name free for other scenarios."""
    names = [path.stem for path in FOLDER.glob("*.py")]
    sys.path.insert(0, str(FOLDER))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(FOLDER))
        for one in names:
            loaded = sys.modules.get(one)
            if loaded is not None and str(loaded.__file__).startswith(str(FOLDER)):
                del sys.modules[one]
