"""A secret that somebody has at hand lands neither in a run folder nor in an error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.experiment.records.secrets import redacted

SECRET = "sk-planted0123456789"


@pytest.fixture
def experiment(tiny_experiment: dict[str, Any], tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump(tiny_experiment | {"algorithm": None, "seeds": 1, "figures": []})
    )
    return path


def everything(folder: Path) -> bytes:
    """Return the bytes and names of all files below a folder."""
    return b"".join(
        str(path).encode() + (path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    )


@pytest.mark.usefixtures("one_core")
def test_no_file_of_a_run_holds_a_secret_of_the_environment_or_the_command_line(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("WANDB_TOKEN", f"{SECRET}w")
    command = [
        "marl-moe",
        "run",
        str(experiment),
        SECRET,
        "--api-key",
        "hunter2",
        f"http://user:{SECRET}w@host/v1",
    ]
    monkeypatch.setattr("sys.argv", command)
    done = CliRunner().invoke(app, ["run", str(experiment), "--out", str(tmp_path / "results")])
    assert done.exit_code == 0, done.output
    written = everything(tmp_path / "results")
    assert b"[redacted]" in written
    assert b"planted0123456789" not in written
    assert b"hunter2" not in written


@pytest.mark.parametrize(
    "override",
    [
        f"algorithm={{learners: {{learner_config_dict: {{x: {SECRET}}}}}}}",
        "algorithm={learners: {learner_config_dict: {api_key: hunter2planted0123456789}}}",
        f"env.experts.competence=http://user:{SECRET}@host/table.json",
        f"env.num_users={SECRET}",
        f"name={SECRET}",
    ],
)
def test_an_experiment_that_holds_a_secret_is_refused_without_showing_it(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    done = CliRunner().invoke(
        app, ["run", str(experiment), "--out", str(tmp_path / "results"), "--set", override]
    )
    assert done.exit_code == 2
    assert "planted0123456789" not in done.output
    assert not (tmp_path / "results").exists()


def test_words_that_only_look_a_little_like_secrets_stay() -> None:
    for text in (
        "max_tokens=100",
        "token or password",
        "name: secret_thing",
        "http://127.0.0.1:8080/v1",
        "key: 3",
    ):
        assert redacted(text, {"OPENAI_API_KEY": SECRET, "KEY": "3", "HOME": "/home"}) == text
