"""Every path that CONTRIBUTING.md names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_path_that_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = {name for name in re.findall(r"`([\w./-]+/[\w./-]*)`", text) if "NAME" not in name}
    folders = {"text/", "rllib/", "policies/", "experiment/"}  # of marl_moe/
    folders |= {"properties/", "fuzz/", "faults/", "security/", "docs/", "benchmarks/"}  # of tests/
    assert named - folders
    missing = [name for name in named - folders if not (ROOT / name).exists()]
    assert not missing
