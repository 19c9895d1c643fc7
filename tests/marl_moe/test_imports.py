"""What of marl_moe needs RLlib and PyTorch is named here; all else works without them."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LEARNING = {
    "marl_moe.experiment.training.events",
    "marl_moe.policies.critics",
    "marl_moe.policies.learned",
    "marl_moe.policies.learned_sides",
    "marl_moe.policies.masks",
    "marl_moe.policies.network_checks",
    "marl_moe.policies.networks",
    "marl_moe.policies.prior",
    "marl_moe.policies.role_networks",
    "marl_moe.policies.weights",
}
PROMPTS = "marl_moe.text."  # of whose modules most are about the gate, a network
RLLIB = "marl_moe.rllib."
IMPORT_EVERYTHING = """
import pkgutil
import marl_moe
for module in pkgutil.walk_packages(marl_moe.__path__, "marl_moe."):
    try:
        module.name.endswith("__main__") or __import__(module.name)
    except ImportError:
        print(module.name)
"""


def test_what_needs_rllib_and_pytorch_is_the_learning_half_alone(without_training: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", without_training + IMPORT_EVERYTHING],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    failed = done.stdout.split()
    assert {name for name in failed if not name.startswith((PROMPTS, RLLIB))} == LEARNING
