"""Trust in the code of a run folder: that it is what a run of this user's copied there.

What a run copied is signed with a key of the user's own, which lies outside all run folders. A
folder from elsewhere has no such signature, nor has one whose code was changed. Several users may
sign one folder: their signatures stand side by side, each under the name of its key.
"""

import hmac
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.imports import IMPORTS, TRUST
from marl_moe.sources import Found
from marl_moe.whole_file import write_text

KEY_BYTES = 32
SIGNATURES = "signatures"  # key of the record: by the name of a key, a signature for each kind


def write_trust(folder: Path, found: Found, named: Sequence[str]) -> None:
    """Write the SHA-256 of the code in a run folder that is new, and sign it.

    Args:
        folder: the run folder.
        found: what its experiment imports.
        named: code that its experiment names elsewhere.
    """
    if found.names or named:
        _write(folder, _signed({"sha256": found.digests()}, _signatures(found, named)))


def sign(folder: Path, *, found: Found | None = None, named: Sequence[str] = ()) -> None:
    """Sign what a run folder holds now as this user's own, where it can be written.

    Signatures of other users stay, which hold for as long as the code is what they signed. So do
    the SHA-256 of what was copied when the run was created.

    Args:
        folder: the run folder.
        found: what its experiment imports; None leaves that signature.
        named: code that its experiment names elsewhere; empty: leaves that signature.
    """
    signatures = {}
    if found is not None and found.names:
        signatures["imports"] = _signatures(found, ())["imports"]
    if named:
        signatures["named"] = _signatures(Found(), named)["named"]
    if signatures:
        with suppress(OSError):
            _write(folder, _signed(_read(folder), signatures))


def check_imports(folder: Path, found: Found) -> None:
    """Check that what the experiment of a run folder imports is what a run of this user's copied.

    Raises:
        SpecError: it is not, or comes from elsewhere; the message says which file.
    """
    record = _read(folder)
    if not found.names or _is_signed(record, "imports", _signatures(found, ())):
        return
    copied = record.get("sha256")
    what = "the folder comes from elsewhere"
    if isinstance(copied, dict):
        changed = [path for path, now in found.digests().items() if copied.get(path, now) != now]
        if changed:
            what = f"{IMPORTS}/{changed[0]} has changed since it was copied"
    names = ", ".join(Path(name).name for name in found.names)
    raise SpecError(
        f"{folder}: its experiment imports {names}, and {what}; if you trust "
        "whoever wrote it, say --trust"
    )


def check_named(folder: Path, named: Sequence[str]) -> None:
    """Check that the code an experiment names elsewhere is what a run of this user's named.

    Raises:
        SpecError: it is not.
    """
    if named and not _is_signed(_read(folder), "named", _signatures(Found(), named)):
        raise SpecError(
            f"{folder}: its experiment names code that would be run, or an environment for it: "
            f"{'; '.join(named)}; if you trust whoever wrote it, say --trust"
        )


def _read(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / TRUST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # no record is no trust
    return record if isinstance(record, dict) else {}


def _write(folder: Path, record: dict[str, Any]) -> None:
    write_text(folder / TRUST, json.dumps(record, indent=2) + "\n")


def _signed(record: dict[str, Any], signatures: dict[str, str | None]) -> dict[str, Any]:
    """Return the record with these signatures among those of this user's key."""
    key = _key()
    if key is None:
        return record
    of_keys = _table(record.get(SIGNATURES))
    own = _table(of_keys.get(_name(key))) | signatures
    return record | {SIGNATURES: of_keys | {_name(key): own}}


def _is_signed(record: dict[str, Any], kind: str, right: dict[str, str | None]) -> bool:
    key, wanted = _key(), right[kind]
    if key is None or wanted is None:
        return False
    own = _table(_table(record.get(SIGNATURES)).get(_name(key)))
    # A record of 0.1.0 has one signature of a kind, without the name of its key.
    return any(
        isinstance(given, str)
        and hmac.compare_digest(given.encode(errors="replace"), wanted.encode())
        for given in (own.get(kind), record.get(kind))
    )


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _name(key: bytes) -> str:
    """Return the name of a key, which tells it from others and nothing of what it is."""
    return sha256(b"name of a key" + key).hexdigest()[:16]


def _signatures(found: Found, named: Sequence[str]) -> dict[str, str | None]:
    """Return the signature of either kind of code, None where there can be no key."""
    key = _key()
    signed = {"imports": [found.modules, found.digests()], "named": list(named)}
    if key is None:
        return dict.fromkeys(signed)
    return {
        kind: hmac.new(key, json.dumps([kind, what]).encode(), sha256).hexdigest()
        for kind, what in signed.items()
    }


def _key() -> bytes | None:
    """Return the key of this user, made where none is whole; None where none can be kept."""
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(state) / "marl-moe" / "key"
        if not _is_whole(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            made = path.with_name(f".key.{os.getpid()}.{secrets.token_hex(4)}")
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, secrets.token_hex(KEY_BYTES).encode())
            os.close(descriptor)
            if path.exists():
                os.replace(made, path)  # in place of one that is torn, which nothing was signed by
            else:
                with suppress(FileExistsError):  # of another process, which was first
                    os.link(made, path)
                made.unlink()
        return path.read_bytes()
    except (OSError, RuntimeError):
        return None


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 2 * KEY_BYTES
