"""Tables, their documentation and the run folder."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from marl_moe.errors import RecordError
from marl_moe.experiment.records import environment
from marl_moe.experiment.records.columns import LOGGED, TABLES
from marl_moe.experiment.records.environment import write_environment
from marl_moe.experiment.records.tables import further_columns, read_table, schema, write_table
from marl_moe.experiment.run.folder import create_run_folder
from marl_moe.whole_file import write_text


def frame(table: str, rows: int = 3) -> pd.DataFrame:
    """Any values of the documented types."""
    values = {
        "int64": np.arange(rows),
        "double": np.linspace(0, 1, rows),
        "string": ["a"] * rows,
        "bool": [True] * rows,
    }
    return pd.DataFrame({field.name: values[str(field.type)] for field in schema(table)})


@pytest.mark.parametrize("table", TABLES)
def test_a_written_table_documents_every_column_in_the_file_itself(
    table: str, tmp_path: Path
) -> None:
    written = pq.read_schema(write_table(tmp_path, table, frame(table)))
    assert written.names == list(TABLES[table])
    for column in written:
        assert len(column.metadata[b"doc"].decode()) > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{table}.parquet"]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_read_back_as_written_whatever_the_order_of_its_columns(
    table: str, tmp_path: Path
) -> None:
    rows = frame(table)
    path = write_table(tmp_path, table, rows[rows.columns[::-1]])
    pd.testing.assert_frame_equal(pd.read_parquet(path), rows, check_dtype=False)


def test_a_table_in_a_folder_whose_path_is_not_utf_8_is_read(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xff"))
    folder.mkdir()
    table = next(iter(TABLES))
    write_table(folder, table, frame(table))
    pd.testing.assert_frame_equal(read_table(folder, table), frame(table), check_dtype=False)


def test_a_table_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    table = next(iter(TABLES))
    (tmp_path / f"{table}.parquet").mkdir()
    with pytest.raises(RecordError, match="cannot be read: Is a directory"):
        read_table(tmp_path, table)


def test_units_are_told_of_every_number_that_has_one() -> None:
    units = ("credits", "J", "s", "share", "points", "nats", "slot", "0..1")
    for table in TABLES:
        for column in schema(table):
            if str(column.type) == "double":
                assert any(unit in column.metadata[b"doc"].decode() for unit in units), column.name


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda rows: rows.drop(columns="gain"), "gain"),
        (lambda rows: rows.assign(profit=1.0), "profit"),
        (lambda rows: rows.rename(columns={"utility": "utlity"}), "utlity"),
    ],
)
def test_columns_other_than_the_documented_are_refused_by_name(
    change, named: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=named):
        write_table(tmp_path, "evaluation", change(frame("evaluation")))
    assert list(tmp_path.iterdir()) == []


def test_a_value_of_the_wrong_type_leaves_the_table_before_it_whole(tmp_path: Path) -> None:
    path = write_table(tmp_path, "evaluation", frame("evaluation"))
    before = path.read_bytes()
    with pytest.raises(Exception, match="gain"):
        write_table(tmp_path, "evaluation", frame("evaluation").assign(gain="much"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_leaves_the_table_before_it_whole_and_no_part_of_the_new(
    tmp_path: Path,
) -> None:
    path = write_table(tmp_path, "evaluation", frame("evaluation"))
    before = path.read_bytes()
    script = f"""
import resource, sys
import numpy as np, pandas as pd
from pathlib import Path
from marl_moe.experiment.records.tables import write_table
rows = pd.read_parquet({str(path)!r}).sample(50_000, replace=True, random_state=0)
rows["gain"] = np.random.default_rng(0).normal(size=50_000)
# Bytes that a file of this process may have.
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_table(Path({str(tmp_path)!r}), "evaluation", rows)
except OSError:
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 7
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_text_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for text in ("one\n", "another\n"):
        write_text(tmp_path / "experiment.yaml", text)
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
            ("experiment.yaml", text)
        ]


def test_no_run_writes_into_the_folder_of_another(tmp_path: Path) -> None:
    out = tmp_path / "results" / "deep"
    folders = [create_run_folder(out, "study") for _ in range(3)]
    assert [folder.name for folder in folders] == ["study", "study-2", "study-3"]
    assert all(list(folder.iterdir()) == [] for folder in folders)


def test_two_processes_at_once_get_different_folders(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from marl_moe.experiment.run.folder import create_run_folder
print("ready", flush=True)
input()
for _ in range(40):
    print(create_run_folder(Path({str(tmp_path)!r}), "study").name)
"""
    start = [sys.executable, "-c", script]
    processes = [subprocess.Popen(start, stdin=-1, stdout=-1, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    named = [name for process in processes for name in process.communicate(timeout=60)[0].split()]
    assert len(named) == len(set(named)) == 80
    assert {path.name for path in tmp_path.iterdir()} == set(named)


def test_the_environment_tells_what_is_needed_to_repeat_the_run(tmp_path: Path) -> None:
    write_environment(tmp_path, {"name": "mine"}, [3, 5])
    told = json.loads((tmp_path / "environment.json").read_text())
    assert told["seeds"] == [3, 5]
    assert told["experiment"] == {"name": "mine"}
    assert told["python"] == platform.python_version()
    for package in ("numpy", "torch", "ray", "cvxpy", "marl-moe"):
        assert told["packages"][package] == importlib.metadata.version(package)
    assert told["command"][1:] == sys.argv[1:]
    assert told["platform"]
    assert told["cpu_count"] >= 1


def test_a_package_that_is_not_installed_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package"))
    write_environment(tmp_path, {}, [0])
    packages = json.loads((tmp_path / "environment.json").read_text())["packages"]
    assert packages == {"numpy": np.__version__, "no-such-package": None}


def test_the_environment_names_the_commit_of_the_checkout(tmp_path: Path) -> None:
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    if not commit:
        pytest.skip("not a checkout")
    write_environment(tmp_path, {}, [0])
    assert (
        json.loads((tmp_path / "environment.json").read_text())["commit"].removesuffix("+changes")
        == commit
    )


def test_a_table_that_lacks_a_column_is_refused_and_not_filled(tmp_path: Path) -> None:
    path = write_table(tmp_path, "evaluation", frame("evaluation"))
    pd.read_parquet(path).drop(columns="settings").to_parquet(path)
    with pytest.raises(RecordError, match="lacks settings"):
        read_table(tmp_path, "evaluation")


def rows_with(**columns: list[float]) -> pd.DataFrame:
    return frame("training").assign(**columns)


def test_columns_of_metrics_and_of_callbacks_are_told_in_the_file_and_read_back(
    metrics: None, tmp_path: Path
) -> None:
    rows = rows_with(
        late=[0.5, np.nan, 1.0], **{"b/c": [1.0, 2.0, 3.0], "a": [np.nan, np.nan, 4.0]}
    )
    further = further_columns("training", ["late"], rows.columns)
    told = pq.read_schema(write_table(tmp_path, "training", rows, further))
    assert told.names == [*TABLES["training"], "late", "a", "b/c"]
    docs = [told.field(name).metadata[b"doc"].decode() for name in told.names[-3:]]
    assert docs == ["mean over the epoch: served past the deadline; share", LOGGED, LOGGED]
    pd.testing.assert_frame_equal(read_table(tmp_path, "training", ["late"]), rows[told.names])


def test_a_table_without_a_metric_or_with_one_that_is_not_named_is_refused(
    metrics: None, tmp_path: Path
) -> None:
    write_table(tmp_path, "training", frame("training"))
    with pytest.raises(RecordError, match="it lacks late"):
        read_table(tmp_path, "training", ["late"])
    rows = rows_with(late=[0.0, 0.0, 0.0])
    write_table(tmp_path, "training", rows, further_columns("training", ["late"], rows.columns))
    with pytest.raises(RecordError, match="it has late"):
        read_table(tmp_path, "training")


def test_only_training_has_columns_of_callbacks(tmp_path: Path) -> None:
    rows = frame("evaluation").assign(mood=1.0)
    with pytest.raises(ValueError, match="mood"):
        write_table(tmp_path, "evaluation", rows, further_columns("evaluation", [], rows.columns))
    path = write_table(tmp_path, "evaluation", frame("evaluation"))
    pd.read_parquet(path).assign(mood=1.0).to_parquet(path)
    with pytest.raises(RecordError, match="it has mood"):
        read_table(tmp_path, "evaluation")
