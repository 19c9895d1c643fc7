"""SIGKILL of the local language model while a command waits for its answer."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .command import Process, complaint, marl_moe, started, wait_until

pytestmark = pytest.mark.faults


@pytest.fixture
def serving() -> Iterator[tuple[Process, str, str]]:
    """Yield a server in a process of its own, its model and its address."""
    pytest.importorskip("xllamacpp", reason="needs the extra 'llm'")
    process = started("serve-local-llm")
    assert process.stdout is not None
    model, address = (process.stdout.readline().split()[1] for _ in range(2))
    yield process, model, address
    process.kill()
    process.communicate()


@pytest.fixture
def killed_when_asked(serving: tuple[Process, str, str]) -> Iterator[Callable[[], None]]:
    """Kill the server as soon as somebody is connected to it."""
    process, _, address = serving
    port = f":{int(address.split(':')[2].removesuffix('/v1')):04X}"

    def connected() -> bool:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(local.endswith(port) and state == "01" for _, local, _, state, *_ in rows)

    def kill() -> None:
        wait_until(connected, process)
        process.kill()

    killer = threading.Thread(target=kill)
    yield killer.start
    killer.join()


def test_generate_says_which_server_is_gone_and_exits_1(
    serving: tuple[Process, str, str], killed_when_asked: Callable[[], None]
) -> None:
    _, model, address = serving
    killed_when_asked()
    options = ["--backend", "openai", "--base-url", address, "--model", model, "--words", "200"]
    line = complaint(
        marl_moe("generate", "rain hammers the boats, and grief overtakes her", *options), 1
    )
    assert f"{address}, model {model}: no connection: " in line
    assert line.endswith("gave up after 5 attempts")


def test_calibrate_says_so_too_and_leaves_no_table(
    serving: tuple[Process, str, str], killed_when_asked: Callable[[], None], tmp_path: Path
) -> None:
    _, model, address = serving
    killed_when_asked()
    table = tmp_path / "competence.json"
    options = [
        "--backend",
        "openai",
        "--base-url",
        address,
        "--model",
        model,
        "--per-cell",
        "2",
        "--out",
        table,
    ]
    line = complaint(marl_moe("calibrate", *options), 1)
    assert f"{address}, model {model}: no connection: " in line
    # `calibrate` goes on with this file.
    assert [path.name for path in tmp_path.iterdir()] == ["competence.json.partial"]
