"""Tables of a run folder in pandas, polars and DuckDB: the same rows, kinds and means."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import yaml
from pandas.api import types
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.experiment.records.columns import TABLES

pytestmark = pytest.mark.usefixtures("ray_started")
AUDITED = """
name: audited
kind: market_study
env: {num_users: 4, num_experts: 6, episode_slots: 12, requests: {num_transferred: 1}}
audit: {markets: 10, policy: random, misreports: 4}
sweep: {mechanism: [{name: posted_price}, {name: vcg}, {name: double_auction}]}
"""
KINDS = {  # of an Arrow type: what each calls it
    pa.int64(): (types.is_integer_dtype, pl.Int64, "BIGINT"),
    pa.float64(): (types.is_float_dtype, pl.Float64, "DOUBLE"),
    pa.bool_(): (types.is_bool_dtype, pl.Boolean, "BOOLEAN"),
    pa.string(): (types.is_string_dtype, pl.String, "VARCHAR"),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, tiny_experiment: dict[str, Any]) -> Path:
    """Return the folder of two runs of the command: one trains and evaluates, one audits."""
    folder = tmp_path_factory.mktemp("results")
    evaluation = tiny_experiment["evaluation"] | {"best_response_epochs": 1}
    trained = tiny_experiment | {"evaluation": evaluation}
    for experiment in (trained, yaml.safe_load(AUDITED)):
        source = folder / f"{experiment['name']}.yaml"
        source.write_text(yaml.safe_dump(experiment))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.cpu_count", lambda: 1)  # seeds one after another, in this process
            result = CliRunner().invoke(app, ["run", str(source), "--out", str(folder / "runs")])
        assert result.exit_code == 0, result.output
    return folder / "runs"


@pytest.fixture(params=list(TABLES))
def table(request: pytest.FixtureRequest, results: Path) -> tuple[str, str]:
    """Name and file of a table."""
    (path,) = results.glob(f"*/{request.param}.parquet")
    return request.param, str(path)


def test_all_three_read_the_same_rows(table: tuple[str, str]) -> None:
    name, path = table
    frame, polars_frame, relation = (
        pd.read_parquet(path),
        pl.read_parquet(path),
        duckdb.read_parquet(path),
    )
    assert len(frame) == polars_frame.height == relation.shape[0] > 0
    assert list(frame) == polars_frame.columns == relation.columns == list(TABLES[name])
    pd.testing.assert_frame_equal(polars_frame.to_pandas(), frame, check_dtype=False)
    pd.testing.assert_frame_equal(relation.df(), frame, check_dtype=False)


def test_every_column_has_the_kind_that_is_documented(table: tuple[str, str]) -> None:
    name, path = table
    frame, polars_frame, relation = (
        pd.read_parquet(path),
        pl.read_parquet(path),
        duckdb.read_parquet(path),
    )
    in_duckdb = dict(zip(relation.columns, map(str, relation.types), strict=True))
    for column, (kind, _) in TABLES[name].items():
        is_kind, polars_kind, duckdb_kind = KINDS[kind]
        assert is_kind(frame[column].dtype), column
        assert polars_frame.schema[column] == polars_kind, column
        assert in_duckdb[column] == duckdb_kind, column


def test_means_are_equal_and_leave_out_what_is_undefined(table: tuple[str, str]) -> None:
    name, path = table
    numbers = [
        column for column, (kind, _) in TABLES[name].items() if kind in (pa.int64(), pa.float64())
    ]
    expected = pd.read_parquet(path)[numbers].mean().to_numpy(float)
    by_polars = pl.read_parquet(path).select(pl.col(numbers).mean()).row(0)
    averages = ", ".join(f'avg("{column}")' for column in numbers)
    by_duckdb = duckdb.sql(f"SELECT {averages} FROM read_parquet('{path}')").fetchall()[0]
    np.testing.assert_allclose(np.array(by_polars, float), expected, rtol=1e-12)
    np.testing.assert_allclose(np.array(by_duckdb, float), expected, rtol=1e-12)
    assert np.isfinite(expected).sum() > 3


def test_what_is_undefined_is_missing_and_no_nan(results: Path) -> None:
    # NaN would make a mean NaN in polars and DuckDB, which leave out only what is missing.
    path = str(next(results.glob("*/training.parquet")))
    assert pd.read_parquet(path)["share_of_equilibrium"].isna().all()
    shares = pl.read_parquet(path)["share_of_equilibrium"]
    assert shares.null_count() == len(shares)
    assert duckdb.sql(
        f"SELECT count(share_of_equilibrium) FROM read_parquet('{path}')"
    ).fetchall() == [(0,)]


def test_a_group_of_policies_is_the_same_query_in_each(results: Path) -> None:
    files = str(results / "*" / "evaluation.parquet")
    expected = (
        pd.read_parquet(next(results.glob("*/evaluation.parquet")))
        .groupby("policy")["utility"]
        .mean()
    )
    by_polars = (
        pl.scan_parquet(files)
        .group_by("policy")
        .agg(pl.col("utility").mean())
        .sort("policy")
        .collect()
    )
    by_duckdb = duckdb.sql(
        f"SELECT policy, avg(utility) FROM read_parquet('{files}') GROUP BY policy ORDER BY policy"
    ).fetchall()
    assert (
        by_polars["policy"].to_list() == [policy for policy, _ in by_duckdb] == list(expected.index)
    )
    np.testing.assert_allclose(by_polars["utility"], expected, rtol=1e-12)
    np.testing.assert_allclose([utility for _, utility in by_duckdb], expected, rtol=1e-12)
    assert expected.nunique() > 1
