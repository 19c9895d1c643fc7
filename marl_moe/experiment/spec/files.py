"""The files of experiments: found, read, and filled up from the one that they extend."""

from pathlib import Path
from typing import Any

from envs.sides import SIDES
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.empty import without_empty
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.input_files import located
from marl_moe.experiment.spec.section import merged
from marl_moe.experiment.spec.yaml_loader import read_yaml
from marl_moe.experiment.spec.yaml_values import EMPTY, check_values
from mechanisms.registry import nearest

EXTENDS = "extends"
NOT_EXTENDED = ("name", "sweep", "search", "figures", "sizes")


def find_experiment(source: str) -> Path:
    """Find the file of that path, or of a shipped experiment of that name.

    Raises:
        SpecError: there is none.
    """
    path = Path(source)
    if path.is_file():
        return path
    shipped = shipped_experiments()
    if source in shipped:
        return shipped[source]
    raise SpecError(
        f"{source}: no such file, and no shipped experiment of that name; "
        f"{nearest(path.stem, shipped)}"
    )


def shipped_experiments() -> dict[str, Path]:
    """Return the experiments that come with the package, name -> file.

    Scenarios, which bring code of their own, have a folder each: `scenarios/NAME/NAME.yaml`.
    """
    # Beside the packages, in a checkout and in a wheel alike.
    folder = Path(__file__).parents[3] / "experiments"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))} | {
        path.stem: path for path in sorted(folder.glob("scenarios/*/*.yaml"))
    }


def read_sections(path: Path) -> dict[str, Any]:
    """Read the sections of an experiment as its YAML gives them.

    Raises:
        SpecError: it is no YAML of sections.
    """
    raw = read_yaml(path.read_bytes(), str(path))
    if not isinstance(raw, dict):
        got = "NoneType: it is empty" if raw in (None, EMPTY) else type(raw).__name__
        raise SpecError(f"{path}: should hold the sections of an experiment, got {got}")
    check_values(raw, str(path))
    return without_empty(raw, ExperimentSpec, str(path))


def extended(raw: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return an experiment with what it leaves out of the one that it extends.

    The other is a file beside it, or a shipped experiment by its name. Its sections are merged, but
    for those of `NOT_EXTENDED`: what it asks is its own.

    Raises:
        SpecError: there is no such experiment, or it extends another itself.
    """
    if EXTENDS not in raw:
        return raw
    name = raw[EXTENDS]
    if not isinstance(name, str):
        raise SpecError(f"{path}: {EXTENDS}: should be a file, or a shipped experiment's name")
    beside = path.parent / name
    try:
        base = beside if beside.is_file() else find_experiment(name)
    except SpecError as error:
        raise SpecError(f"{path}: {EXTENDS}: {error}") from None
    sections = located(read_sections(base), base.parent)
    if EXTENDS in sections:
        raise SpecError(f"{path}: {EXTENDS}: {base} extends another experiment itself")
    kept = {key: value for key, value in sections.items() if key not in NOT_EXTENDED}
    own = {key: value for key, value in raw.items() if key != EXTENDS}
    env = kept.get("env")
    if isinstance(env, dict) and isinstance(own.get("env"), dict):
        for side in SIDES:
            if own["env"].get(side.groups) is not None:  # which count them
                counted = (side.groups, side.number)
                env = {key: value for key, value in env.items() if key not in counted}
        kept["env"] = env
    for key in ("mechanism", "algorithm"):  # the keys of one are not those of another
        if isinstance(own.get(key), dict) and "name" in own[key]:
            kept.pop(key, None)
    return merged(kept, own)
