"""The world, the mechanisms and the figures stand without the learning half of the project."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
IMPORT_EVERYTHING = """
import pkgutil, sys
for absent in ("ray", "torch"):
    sys.modules[absent] = None  # importing it raises ImportError

import envs, mechanisms, paper_figures
for package in (envs, mechanisms, paper_figures):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        __import__(module.name)

mechanism = mechanisms.make("posted_price")
envs.edge_experts_v0.parallel_env(num_users=2, mechanism=mechanism).reset(seed=0)
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "marl_moe"))
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_module_but_the_learning_ones_imports_without_ray_and_torch() -> None:
    assert run(IMPORT_EVERYTHING) == ""


def test_the_world_imports_no_drawing_and_no_solver() -> None:
    loaded = run("import sys, envs; print(*sys.modules)").split()
    assert not {"matplotlib", "cvxpy", "pandas", "pyarrow", "ray", "torch"} & set(loaded)
