"""Several users trust one run folder: each by a key of its own, beside the others'."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.run.trust import check_named, sign, write_trust
from marl_moe.sources import Found

AsUser = Callable[[str], None]
NAMED = ["algorithm.callbacks: mine.Mine"]


@pytest.fixture
def as_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsUser:
    def become(name: str) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / name))

    return become


def test_a_second_user_who_trusts_a_run_leaves_the_owners_signature(
    tmp_path: Path, as_user: AsUser
) -> None:
    as_user("owner")
    write_trust(tmp_path, Found(), NAMED)
    check_named(tmp_path, NAMED)
    as_user("other")
    with pytest.raises(SpecError, match="--trust"):
        check_named(tmp_path, NAMED)
    sign(tmp_path, named=NAMED)
    for user in ("other", "owner"):
        as_user(user)
        check_named(tmp_path, NAMED)
        with pytest.raises(SpecError, match="--trust"):
            check_named(tmp_path, [*NAMED, "one more"])


def test_a_record_of_one_signature_is_still_read(tmp_path: Path, as_user: AsUser) -> None:
    as_user("owner")
    write_trust(tmp_path, Found(), NAMED)
    record = json.loads((tmp_path / "trust.json").read_text())
    (own,) = record.pop("signatures").values()
    (tmp_path / "trust.json").write_text(json.dumps(record | own))
    check_named(tmp_path, NAMED)
    as_user("other")
    with pytest.raises(SpecError, match="--trust"):
        check_named(tmp_path, NAMED)
    sign(tmp_path, named=NAMED)
    for user in ("other", "owner"):
        as_user(user)
        check_named(tmp_path, NAMED)


@pytest.mark.parametrize("damaged", ["[]", '{"signatures": 3}', '{"signatures": {"a": []}}', "{"])
def test_a_damaged_record_is_no_trust_and_can_be_signed(
    damaged: str, tmp_path: Path, as_user: AsUser
) -> None:
    as_user("owner")
    (tmp_path / "trust.json").write_text(damaged)
    with pytest.raises(SpecError, match="--trust"):
        check_named(tmp_path, NAMED)
    sign(tmp_path, named=NAMED)
    check_named(tmp_path, NAMED)
