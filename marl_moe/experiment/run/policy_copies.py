"""Policies of other runs, copied into a run, so that it goes on without those.

A copy is `policies/NAME/POINT/seed_SEED` in the run folder: the files of the policy, and
`origin.json`, which says where they came from and holds their SHA-256.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from marl_moe.errors import RecordError
from marl_moe.experiment.spec.labels import folder_of
from marl_moe.experiment.training.engine import TrainedPolicy
from marl_moe.experiment.training.engines import ENGINES
from marl_moe.policies.base import ARCHITECTURE, STOCHASTIC, WEIGHTS, Policy
from marl_moe.whole_file import whole_file, write_text

ORIGIN = "origin.json"


def copy_folder(run_folder: Path, shown_as: str, label: str, seed: int) -> Path:
    """Return the folder of a copy.

    Args:
        run_folder: the run that plays the policy.
        shown_as: name of the entry.
        label: label of the sweep point that it plays at.
        seed: the seed that it plays under.
    """
    return run_folder / "policies" / folder_of(shown_as) / folder_of(label) / f"seed_{seed}"


def write_copy(folder: Path, trained: Path, origin: dict[str, Any]) -> None:
    """Copy a policy.

    Args:
        folder: of the copy.
        trained: the folder in which training left the policy.
        origin: where it comes from, for `origin.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name in (ARCHITECTURE, WEIGHTS):
        content = (trained / name).read_bytes()
        digests[name] = sha256(content).hexdigest()
        with whole_file(folder / name) as partial:
            partial.write_bytes(content)
    write_text(folder / ORIGIN, json.dumps(origin | {"sha256": digests}, indent=2) + "\n")


def read_copy(folder: Path, policy: str, rng: np.random.Generator) -> Policy:
    """Read a copied policy.

    Args:
        folder: of the copy.
        policy: its name in the run that trained it.
        rng: draws the actions of a stochastic one.

    Raises:
        RecordError: the copy is gone, or is not the one that was made.
    """
    try:
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        for name in (ARCHITECTURE, WEIGHTS):
            if sha256((folder / name).read_bytes()).hexdigest() != origin["sha256"][name]:
                raise RecordError(f"{folder / name}: not the policy that was copied; restore it")
        return trained_policy(folder, policy, rng)
    except FileNotFoundError as error:
        raise RecordError(f"{error.filename}: the copy of a policy is gone; restore it") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{folder / ORIGIN}: not whole ({error}); restore it") from None


def trained_policy(folder: Path, policy: str, rng: np.random.Generator) -> Policy:
    """Read a policy where training, or a copy of it, left it.

    Raises:
        FileNotFoundError: there is none.
        RecordError: it is damaged.
    """
    algorithm = policy.removesuffix(STOCHASTIC)
    learned: TrainedPolicy = ENGINES[algorithm].load(folder)
    return learned.stochastic(rng) if policy.endswith(STOCHASTIC) else learned
