"""The record tables of a run folder, and what a figure may demand of them."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from paper_figures import settings
from paper_figures.drawing import in_order, of_run, options

Tables = Mapping[str, pd.DataFrame]
LEARNED = ("sac", "rllib_sac", "ppo", "dqn")  # learned policies, which a figure may emphasise
# What a run needs to leave a table, where it may leave none.
LEFT_BY = {
    "training": ", which what learns leaves (algorithm: {name: sac})",
    "exploitability": ", which evaluation.best_response_epochs leaves",
}


class CannotDraw(ValueError):  # noqa: N818 - reads as what it says: `except CannotDraw as reason`
    """The record tables lack what a figure shows; the message names the table, column or policy."""


def load_tables(run_folder: str | Path) -> dict[str, pd.DataFrame]:
    """Read every `*.parquet` of a run folder, by its stem: "training", "evaluation", ...

    Raises:
        FileNotFoundError: there is no such folder, or no table in it.
        OSError: a table cannot be opened.
        CannotDraw: a table is damaged.
    """
    folder = Path(run_folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no run folder {folder}")
    tables = {path.stem: _read(path) for path in sorted(folder.glob("*.parquet"))}
    if not tables:
        raise FileNotFoundError(f"run folder {folder} holds no record table (*.parquet)")
    return tables


def _read(path: Path) -> pd.DataFrame:
    """Read a table.

    Raises:
        OSError: the file cannot be opened.
        CannotDraw: it is damaged.
    """
    # A file of ours: Arrow opens none whose path is not UTF-8.
    with path.open("rb") as file:
        content = BytesIO(file.read())
    try:
        return pd.read_parquet(content)
    except Exception as error:  # Arrow raises many kinds over bytes that are no table
        reason = str(error).partition("\n")[0]
        raise CannotDraw(
            f"{path}: not a whole table: {reason}; restore it, or delete it and resume the run"
        ) from None


def require(
    tables: Tables, name: str, columns: Sequence[str], policies: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a table that has what a figure shows.

    Args:
        tables: all tables.
        name: of the table.
        columns: of which each must have a value; `settings` must have one in every row.
        policies: of which each must have rows.

    Raises:
        CannotDraw: with everything of one kind that is missing.
    """
    if name not in tables:
        listed = ", ".join(tables) or "none"
        left_by = LEFT_BY.get(name, "")
        raise CannotDraw(f"there is no table '{name}'{left_by}; the tables are: {listed}")
    table = tables[name]
    if table.empty:
        raise CannotDraw(f"table '{name}' has no rows")
    absent = [column for column in columns if column not in table]
    if absent:
        raise CannotDraw(f"table '{name}' has no column {_quoted(absent)}")
    _require_settings(table, name)
    twice = [column for column in columns if isinstance(table[column], pd.DataFrame)]
    if twice:
        raise CannotDraw(f"table '{name}' has several columns {_quoted(twice)}")
    empty = [column for column in columns if table[column].isna().all()]
    if empty:
        raise CannotDraw(f"table '{name}' has no value in column {_quoted(empty)}")
    missing = [policy for policy in policies if not (table["policy"] == policy).any()]
    if missing:
        raise CannotDraw(f"table '{name}' has no rows of policy {_quoted(missing)}")
    return table


def _require_settings(table: pd.DataFrame, name: str) -> None:
    """Raise CannotDraw unless each row has the settings of its sweep point."""
    if "settings" not in table:
        raise CannotDraw(
            f"table '{name}' has no column 'settings', which says what a sweep sets: an older "
            "version recorded it; run the experiment again with this version"
        )
    for text in table["settings"].unique():
        try:
            settings.read(text)
        except ValueError as error:
            raise CannotDraw(
                f"table '{name}' has settings that cannot be read in column 'settings': {error}; "
                "restore it, or delete it and resume the run"
            ) from None


def require_numbers(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
    """Raise CannotDraw unless columns of a table hold numbers, some of them finite.

    Args:
        table: the table.
        name: of the table.
        columns: of it.
    """
    for column in columns:
        if not is_numeric_dtype(table[column]):
            raise CannotDraw(
                f"table '{name}' has {table[column].iloc[0]!r} in column '{column}'; it should "
                "hold numbers"
            )
        if not np.isfinite(table[column]).any():
            raise CannotDraw(f"table '{name}' has no finite value in column '{column}'")


def require_finite(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
    """Raise CannotDraw unless columns of a table hold finite numbers, beside what is missing."""
    require_numbers(table, name, columns)
    for column in columns:
        infinite = table[np.isinf(table[column])]
        if not infinite.empty:
            row = infinite.iloc[0]
            keys = ("policy", "algorithm", "point", "seed", "epoch", "episode")
            where = ", ".join(
                f"{key} {row[key]!s}" for key in keys if key in row and row[key] != ""
            )
            raise CannotDraw(
                f"table '{name}' has {row[column]} in column '{column}' ({where}); this figure "
                "needs finite values"
            )


def require_one_point(training: pd.DataFrame) -> None:
    """Raise CannotDraw if an algorithm was trained at several sweep points.

    Their mean would mean nothing. A sweep over algorithms alone passes: each of them stands at its
    own point.
    """
    for algorithm, rows in training.groupby("algorithm"):
        points = rows.drop_duplicates("settings")["point"]
        if len(points) > 1:
            raise CannotDraw(
                f"table 'training' has '{algorithm}' at {len(points)} sweep points "
                f"({', '.join(points)}); this figure shows one"
            )


def require_epochs(training: pd.DataFrame) -> None:
    """Raise CannotDraw unless each algorithm has a curve: two epochs at least."""
    for algorithm, rows in training.groupby("algorithm"):
        if rows["epoch"].nunique() < 2:
            raise CannotDraw(
                f"table 'training' has epoch {rows['epoch'].iloc[0]} of '{algorithm}' alone; this "
                "figure needs at least two epochs"
            )


def learned_here(tables: Tables) -> set[str]:
    """Return the policies that a run trained; one of the same name may come from elsewhere."""
    return set(tables["training"]["algorithm"]) if "training" in tables else set()


def leading_policy(policies: Iterable[str]) -> str:
    """Return the policy that a figure of a single one shows.

    It is the first of those that were asked for, else one that was learned, else the equilibrium,
    else the first.
    """
    names = in_order(policies)
    if options().policies is None:
        for leading in (*LEARNED, "nash"):
            for name in names:
                if of_run(name)[0] == leading:
                    return name
    return names[0]


def with_outcomes(tables: Tables, policy: str) -> pd.DataFrame:
    """Return the rows of a policy in the table "evaluation" with what is left to the other sides.

    Columns added: `edge_share` and `platform_share`, edge devices' utility and platform's balance,
    both in credits per slot and user as `gain` is.
    """
    evaluation = tables["evaluation"]
    rows = evaluation[evaluation["policy"] == policy].copy()
    rows["edge_share"] = rows["edge_utility"] / rows["num_users"]
    rows["platform_share"] = rows["platform_balance"] / rows["num_users"]
    return rows


def _quoted(names: Sequence[str]) -> str:
    """Return names in quotes, with commas between them."""
    return ", ".join(f"'{name}'" for name in names)
