"""A container: another user id, nothing writable but two folders, no network, hardly any memory.

Each is taken away where the machine permits it.
"""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.command import PATIENCE_S

pytestmark = pytest.mark.faults
OTHER_USER = 12345
# Mounts and network of its own, where it is permitted; then what follows as another user.
CONTAINER = """
mount -t tmpfs -o size=1m tmpfs /dev/shm && ip link set lo up || exit 125
exec "$@"
"""


def _permitted() -> bool:
    tools = all(shutil.which(tool) for tool in ("unshare", "setpriv", "ip", "mount"))
    if not tools or os.getuid() != 0:
        return False
    tried = ["unshare", "--mount", "--net", "sh", "-c", CONTAINER, "sh", "true"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def _readable_by_others(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


@pytest.mark.parametrize("home", [None, "/proc/nowhere"], ids=["no HOME", "read-only HOME"])
def test_the_quick_start_trains_in_a_container(home: str | None, tmp_path: Path) -> None:
    temporary = tmp_path / "a-temporary-folder-of-a-name-with-many-letters"
    out = tmp_path / "out"
    for folder in (temporary, out):
        folder.mkdir()
        folder.chmod(0o777)
    command = [sys.executable, "-m", "marl_moe", "run", "quickstart", "--size", "smoke"]
    command += ["--out", str(out)]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TMPDIR": str(temporary)}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2])}
    if home is not None:
        environment["HOME"] = home
    packages = (Path(sys.executable), Path(sys.base_prefix) / "bin", Path(__file__), out)
    if _permitted() and all(map(_readable_by_others, packages)):
        who = f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups"
        command = ["setpriv", *who, *command]
    if _permitted():
        command = ["unshare", "--mount", "--net", "sh", "-c", CONTAINER, "sh", *command]
    done = subprocess.run(
        command,
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in out.glob("*/figures/*.png")) == [
        "policies.png",
        "reward_curves.png",
    ]
