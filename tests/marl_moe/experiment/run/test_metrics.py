"""Metrics and callbacks of one's own through the command: tables, resume, export, TensorBoard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner, Result

from marl_moe.cli import app
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.spec.reading import load_experiment

METRIC = """
import numpy as np
from marl_moe.metrics import register

@register("own_late", unit="share", doc="served past the deadline")
def late(slot, result):
    return np.where(result.transferred, result.delay_s > slot.conditions.users.deadline_s, np.nan)

@register("own_qos", unit="points", doc="points recovered")
def qos(slot, result):
    return result.qos
"""
CALLBACK = """
from ray.rllib.callbacks.callbacks import RLlibCallback

class Watch(RLlibCallback):
    def on_sample_end(self, *, metrics_logger, samples, **kwargs):
        metrics_logger.log_value("reward", samples.reward.mean(), reduce="ema", ema_coeff=0.5)

    def on_train_result(self, *, metrics_logger, result, **kwargs):
        if result["training_iteration"] > 1:
            metrics_logger.log_value(("after", "first"), result["training_iteration"])
"""
METRICS = ["own_late", "own_qos"]
LOGGED = ["after/first", "reward"]
pytestmark = pytest.mark.usefixtures("ray_started", "one_core")


def marl_moe(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def facts(folder: Path, name: str) -> pd.DataFrame:
    table = pd.read_parquet(folder / f"{name}.parquet")
    return table.drop(columns=[column for column in table if "seconds" in column])


@pytest.fixture
def source(tiny_experiment: dict[str, Any], tmp_path: Path) -> Path:
    """Return the YAML of two seeds of 3 epochs, with the files that it names beside it."""
    (tmp_path / "own_metrics.py").write_text(METRIC)
    (tmp_path / "own_watch.py").write_text(CALLBACK)
    algorithm = tiny_experiment["algorithm"] | {
        "stop": {"training_iteration": 3},
        "checkpointing": {"checkpoint_frequency": 1},
        "callbacks": {"callbacks_class": "own_watch.Watch"},
    }
    own = {"imports": ["own_metrics.py"], "metrics": METRICS, "algorithm": algorithm, "figures": []}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(tiny_experiment | own))
    return tmp_path / "own.yaml"


def test_a_run_records_prints_exports_and_resumes_metrics_and_what_callbacks_log(
    source: Path, tmp_path: Path, read_scalars: Callable[..., Any]
) -> None:
    ran = marl_moe("run", source, "--out", tmp_path / "whole")
    assert ran.exit_code == 0, ran.output
    assert "own_late, share" in ran.stdout
    assert "own_qos, points" in ran.stdout
    whole = tmp_path / "whole/tiny"
    training = pd.read_parquet(whole / "training.parquet")
    assert list(training)[-4:] == [*METRICS, *LOGGED]
    assert training["after/first"].isna().tolist() == [True, False, False] * 2
    for name in ("training", "evaluation"):
        table = pd.read_parquet(whole / f"{name}.parquet")
        pd.testing.assert_series_equal(
            table["own_qos"], table["qos"], check_names=False, rtol=1e-12
        )
        told = pq.read_schema(whole / f"{name}.parquet").field("own_late").metadata[b"doc"]
        assert told.decode().endswith("served past the deadline; share")

    scalars = read_scalars(whole / "checkpoints/seed_0/tensorboard")
    for name in (*METRICS, *LOGGED):
        shown = [value for tag, _, value in scalars if tag == name]
        expected = training.loc[training["seed"] == 0, name].dropna()
        assert shown == pytest.approx(expected.tolist(), rel=1e-6)

    exported = marl_moe("export", whole, "--format", "csv", "--out", tmp_path / "own.csv")
    assert exported.exit_code == 0, exported.output
    means = pd.read_csv(tmp_path / "own.csv").set_index(["policy", "metric"])["mean"]
    evaluation = pd.read_parquet(whole / "evaluation.parquet")
    by_policy = evaluation[evaluation["policy"] == "random"].groupby("seed")["own_late"].mean()
    assert means["random", "own_late"] == pytest.approx(by_policy.mean(), rel=1e-5)

    page = tmp_path / "own.md"
    chosen = ["--metrics", "own_late,gain"]
    typeset = marl_moe("export", whole, "--format", "markdown", "--out", page, *chosen)
    assert typeset.exit_code == 0, typeset.output
    assert "own\\_late, share" in page.read_text()
    assert f"{by_policy.mean():.3f} [" in page.read_text()
    compared = marl_moe("compare", whole, whole, "--metrics", "own_late")
    assert compared.exit_code == 0, compared.output
    assert "own_late, share: A" in compared.stdout
    assert "no world with a value in both" in compared.stdout  # of abandon, which transfers nothing

    def stop(row: dict[str, Any]) -> None:
        if (row["seed"], row["epoch"]) == (1, 3):
            raise KeyboardInterrupt

    stopped = create_run(load_experiment(str(source)), tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        continue_run(stopped, Progress(on_epoch=stop))
    resumed = marl_moe("resume", stopped.path)
    assert resumed.exit_code == 0, resumed.output
    for name in ("training", "evaluation"):
        pd.testing.assert_frame_equal(
            facts(stopped.path, name), facts(whole, name), check_exact=True
        )


def test_a_metric_that_fails_later_is_named_and_resuming_is_not_offered(
    source: Path, tmp_path: Path
) -> None:
    late = "\n@register('own_bad', unit='s', doc='infinite from the fourth slot on')\n"
    late += "def bad(slot, result):\n    return result.qos + (np.inf if slot.index > 2 else 0)\n"
    (tmp_path / "own_metrics.py").write_text(METRIC + late)
    ran = marl_moe("run", source, "--out", tmp_path, "--set", "metrics=[own_bad]")
    assert ran.exit_code == 1
    assert "metric 'own_bad' returned an infinite value in slot 3" in ran.stderr
    assert "marl-moe resume" not in ran.stderr  # it would fail again
    ran = marl_moe(
        "run", source, "--out", tmp_path, "--set", "metrics=[own_bad]", "--set", "algorithm=null"
    )
    assert ran.exit_code == 1
    assert "metric 'own_bad' returned an infinite value in slot 3" in ran.stderr
