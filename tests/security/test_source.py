"""Nothing in the packages makes code or objects of data, but where this file says why."""

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PACKAGES = ("envs", "marl_moe", "mechanisms", "paper_figures")
REFUSED_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
REFUSED_CALLS = {
    *("eval", "exec", "compile", "__import__", "import_module"),
    *(
        "pickle.load",
        "pickle.loads",
        "torch.load",
        "np.load",
        "yaml.load",
        "yaml.unsafe_load",
        "yaml.full_load",
    ),
    *("pd.read_pickle", "os.system", "importlib.import_module"),
}
REFUSED_METHODS = {
    "from_checkpoint",
    "restore_from_path",
    "read_pickle",
}  # of RLlib's checkpoints, and pandas'
ALLOWED = {
    (
        "marl_moe/experiment/spec/yaml_loader.py",
        "yaml.load",
    ): "with a loader that derives from SafeLoader, tested below",
    (
        "marl_moe/experiment/spec/rllib_sections.py",
        "import_module",
    ): "algorithm.callbacks, for which resume asks --trust",
    (
        "marl_moe/plugins.py",
        "import_module",
    ): "imports, for which every command asks --trust where the run is from elsewhere",
}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_no_source_imports_what_unpickles() -> None:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & REFUSED_MODULES, path


def test_no_source_makes_code_or_objects_of_data_but_those_allowed() -> None:
    found = set()
    for path in sources():
        for name, _ in calls(path):
            if name in REFUSED_CALLS or any(
                name.endswith(f".{method}") for method in REFUSED_METHODS
            ):
                found.add((str(path.relative_to(ROOT)), name))
    assert found == set(ALLOWED)


def test_yaml_makes_no_objects() -> None:
    from marl_moe.experiment.spec.yaml_loader import ExperimentLoader

    for name, call in calls(ROOT / "marl_moe/experiment/spec/yaml_loader.py"):
        if name == "yaml.load":
            assert ast.unparse(call.args[1]) == "ExperimentLoader"
    assert issubclass(ExperimentLoader, yaml.SafeLoader)
