"""The Ray of this machine alone: the folder of its sockets, and the token of its processes.

Ray would write the token below HOME and the sockets below TMPDIR, whose paths the system bounds.
In a container, or under a user id of a cluster's own, neither need be possible.
"""

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107  # bytes of a path
LONGEST_END = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
LONGEST = LONGEST_SOCKET - LONGEST_END  # bytes of the path of Ray's folder
OWN_FOLDER = "RAY_TMPDIR"  # environment variable by which Ray is told its folder's parent
OF_TOKENS = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
SHORT_FOLDERS = (Path("/tmp"), Path("/var/tmp"))


def temporary_folder() -> Path | None:
    """Return the folder that Ray can keep its sessions in, None where that is its own choice.

    Raises:
        OSError: there is none; the message names the variable to set.
    """
    parent = Path(os.environ.get(OWN_FOLDER) or os.environ.get("TMPDIR") or SHORT_FOLDERS[0])
    if not _fault(parent / "ray"):
        return None
    if not os.environ.get(OWN_FOLDER):
        for short in SHORT_FOLDERS:
            folder = short / f"ray_{os.getuid()}"
            if not _fault(folder):
                return folder
    raise OSError(
        f"Ray cannot keep its sockets in {parent}: {_fault(parent / 'ray')}; set {OWN_FOLDER} to a "
        f"writable folder of at most {LONGEST - len('/ray')} bytes"
    )


def set_token() -> None:
    """Give Ray a token for the processes that this one starts, unless the user has said which."""
    if not any(name in os.environ for name in OF_TOKENS):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _fault(folder: Path) -> str:
    """Return in words why Ray's sessions cannot lie in a folder, "" if they can."""
    if len(os.fsencode(folder)) > LONGEST:
        return f"a socket's path may have {LONGEST_SOCKET} bytes"
    made = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        with TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)
    finally:
        if made:
            with suppress(OSError):
                folder.rmdir()
