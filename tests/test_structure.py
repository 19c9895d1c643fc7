"""The house: imports go one way and in no circle, and only who plays a world holds one."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "mechanisms": {"mechanisms"},
    "envs": {"envs", "mechanisms"},
    "paper_figures": {"paper_figures"},
    "marl_moe": {"marl_moe", "envs", "mechanisms", "paper_figures"},
}


def modules(root: Path, packages: list[str]) -> dict[str, Path]:
    """Return the modules of packages below a folder, by name."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Return the known modules that a file imports: at any depth, for types alone or not."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else str(node.module))
    return found & known.keys()


def graph(root: Path, packages: list[str]) -> dict[str, set[str]]:
    known = modules(root, packages)
    return {name: imports(path, known) for name, path in known.items()}


@pytest.fixture(scope="module")
def house() -> dict[str, set[str]]:
    """Return the modules that each module imports."""
    return graph(ROOT, list(MAY_IMPORT))


def test_imports_go_in_no_circle(house: dict[str, set[str]]) -> None:
    assert len(house) > 150
    order = list(TopologicalSorter(house).static_order())
    assert (
        order.index("mechanisms.market") < order.index("envs.world") < order.index("marl_moe.cli")
    )


def test_packages_import_only_those_below(house: dict[str, set[str]]) -> None:
    for name, imported in house.items():
        package = name.partition(".")[0]
        above = {other for other in imported if other.partition(".")[0] not in MAY_IMPORT[package]}
        assert not above, f"{name} imports {above}"


def test_a_circle_is_found_where_one_file_imports_another_for_types_alone(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house/__init__.py").write_text("")
    (tmp_path / "house/hall.py").write_text("from house.attic import lamp\n")
    attic = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house import hall\n"
    (tmp_path / "house/attic.py").write_text(attic)
    with pytest.raises(CycleError):
        TopologicalSorter(graph(tmp_path, ["house"])).prepare()


def test_who_imports_the_world_builds_or_steps_one() -> None:
    for name, path in modules(ROOT, ["envs", "marl_moe"]).items():
        tree = ast.parse(path.read_text())
        imported = any(
            isinstance(node, ast.ImportFrom)
            and node.module in ("envs", "envs.world")
            and any(alias.name == "World" for alias in node.names)
            for node in ast.walk(tree)
        )
        if not imported or name == "envs":
            continue
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        builds = any(isinstance(call, ast.Name) and call.id == "World" for call in calls)
        steps = any(isinstance(call, ast.Attribute) and call.attr == "step" for call in calls)
        assert builds or steps, f"{name} imports World and neither builds nor steps one"
