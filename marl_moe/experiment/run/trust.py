"""Trust in the code of a run folder: that it is what a run of this user's copied there.

What a run copied is signed with a key of the user's own, which lies outside all run folders. A
folder from elsewhere has no such signature, nor has one whose code was changed.
"""

import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from marl_moe.errors import SpecError
from marl_moe.whole_file import write_text

TRUST = "trust.json"  # in a run folder: SHA-256 of what was imported, and signatures
KEY_BYTES = 32
IMPORTS = "imports"  # in a run folder: copies of the files that were imported


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that a run folder's code was copied to, by relative path."""
    files = sorted(path for path in (folder / IMPORTS).rglob("*.py"))
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files
    }


def write_trust(folder: Path, imports: Sequence[str], named: Sequence[str]) -> None:
    """Write what is there to be trusted, signed where this user can have a key.

    Args:
        folder: the run folder.
        imports: names that its experiment imports.
        named: code that its experiment names elsewhere.
    """
    record = {
        "sha256": hashes(folder),
        "imports": _signature(hashes(folder), imports),
        "named": _signature({}, named),
    }
    write_text(folder / TRUST, json.dumps(record, indent=2) + "\n")


def check_imports(folder: Path, imports: Sequence[str]) -> None:
    """Check that what the experiment of a run folder imports is what a run of this user's copied.

    Raises:
        SpecError: it is not, or comes from elsewhere; the message says which file.
    """
    if not imports:
        return
    record, now = _read(folder), hashes(folder)
    if _is_signed(record.get("imports"), now, imports):
        return
    copied = record.get("sha256")
    copied = copied if isinstance(copied, dict) else {}
    changed = [path for path in now if copied.get(path, now[path]) != now[path]]
    what = "the folder comes from elsewhere"
    if changed:
        what = f"{changed[0]} has changed since it was copied"
    raise SpecError(
        f"{folder}: its experiment imports {', '.join(imports)}, and {what}; if you trust whoever "
        "wrote it, say --trust"
    )


def check_named(folder: Path, named: Sequence[str]) -> None:
    """Check that the code an experiment names elsewhere is what a run of this user's named.

    Raises:
        SpecError: it is not.
    """
    if named and not _is_signed(_read(folder).get("named"), {}, named):
        raise SpecError(
            f"{folder}: its experiment names code that would be run, or an environment for it: "
            f"{'; '.join(named)}; if you trust whoever wrote it, say --trust"
        )


def sign(folder: Path, *, imports: Sequence[str] = (), named: Sequence[str] = ()) -> None:
    """Sign what a run folder holds now as this user's own, where it can be written.

    The SHA-256 of what was copied when the run was created stay as they are.

    Args:
        folder: the run folder.
        imports: names that its experiment imports; empty: leaves that signature.
        named: code that its experiment names elsewhere; empty: leaves that signature.
    """
    if not imports and not named:
        return
    record = _read(folder)
    if imports:
        record["imports"] = _signature(hashes(folder), imports)
    if named:
        record["named"] = _signature({}, named)
    with suppress(OSError):
        write_text(folder / TRUST, json.dumps(record, indent=2) + "\n")


def _read(folder: Path) -> dict[str, object]:
    try:
        record = json.loads((folder / TRUST).read_text())
    except (OSError, ValueError, RecursionError):
        return {}  # no record is no trust
    return record if isinstance(record, dict) else {}


def _is_signed(signature: object, files: Mapping[str, str], names: Sequence[str]) -> bool:
    right = _signature(files, names)
    return (
        isinstance(signature, str)
        and right is not None
        and hmac.compare_digest(signature.encode(errors="replace"), right.encode())
    )


def _signature(files: Mapping[str, str], names: Sequence[str]) -> str | None:
    """Return the signature of these files and names, None where there can be no key."""
    key = _key()
    if key is None:
        return None
    return hmac.new(key, json.dumps([dict(files), list(names)]).encode(), sha256).hexdigest()


def _key() -> bytes | None:
    """Return the key of this user, made where there is none; None where it cannot be kept."""
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(state) / "marl-moe" / "key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                os.write(descriptor, secrets.token_hex(KEY_BYTES).encode())
                os.close(descriptor)
        key = path.read_bytes()
        return key if len(key) == 2 * KEY_BYTES else None
    except (OSError, RuntimeError):
        return None
