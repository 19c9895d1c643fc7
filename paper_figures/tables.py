"""The record tables of a run folder, and what a figure may demand of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

Tables = Mapping[str, pd.DataFrame]
LEARNED = (
    "sac",
    "rllib_sac",
    "ppo",
    "dqn",
)  # policies that were trained, which a figure may emphasise


class CannotDraw(ValueError):  # noqa: N818 - reads as what it says: `except CannotDraw as reason`
    """The record tables lack what a figure shows; the message names the table, column or policy."""


def load_tables(run_folder: str | Path) -> dict[str, pd.DataFrame]:
    """Read every `*.parquet` of a run folder, by its stem: "training", "evaluation", ...

    Raises FileNotFoundError if there is no such folder or no table in it, CannotDraw where one is
    damaged.
    """
    folder = Path(run_folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no run folder {folder}")
    tables = {path.stem: _read(path) for path in sorted(folder.glob("*.parquet"))}
    if not tables:
        raise FileNotFoundError(f"run folder {folder} holds no record table (*.parquet)")
    return tables


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except Exception as error:  # Arrow raises many kinds over bytes that are no table
        reason = str(error).partition("\n")[0]
        raise CannotDraw(
            f"{path}: not a whole table: {reason}; restore it, or delete it and resume the run"
        ) from None


def require(
    tables: Tables, name: str, columns: Sequence[str], policies: Sequence[str] = ()
) -> pd.DataFrame:
    """The table `name`, which must have rows, a value in each of `columns`, and rows of each of
    `policies`.

    Raises CannotDraw with everything of one kind that is missing.
    """
    if name not in tables:
        raise CannotDraw(
            f"there is no table '{name}'; the tables are: {', '.join(tables) or 'none'}"
        )
    table = tables[name]
    if table.empty:
        raise CannotDraw(f"table '{name}' has no rows")
    if absent := [column for column in columns if column not in table]:
        raise CannotDraw(f"table '{name}' has no column {_quoted(absent)}")
    if empty := [column for column in columns if table[column].isna().all()]:
        raise CannotDraw(f"table '{name}' has no value in column {_quoted(empty)}")
    if missing := [policy for policy in policies if not (table["policy"] == policy).any()]:
        raise CannotDraw(f"table '{name}' has no rows of policy {_quoted(missing)}")
    return table


def require_one_point(training: pd.DataFrame) -> None:
    """Raise CannotDraw if an algorithm was trained at several sweep points, whose mean would mean
    nothing.

    A sweep over algorithms alone passes: each of them stands at its own point.
    """
    for algorithm, points in training.groupby("algorithm")["point"].unique().items():
        if len(points) > 1:
            raise CannotDraw(
                f"table 'training' has '{algorithm}' at {len(points)} sweep points "
                f"({', '.join(points)}); "
                "this figure shows one"
            )


def leading_policy(evaluation: pd.DataFrame) -> str:
    """The policy that a figure of a single one shows: one that learned, else the equilibrium, else
    the first.
    """
    policies = list(evaluation["policy"].unique())
    first = {
        policy.partition(" ")[0]: policy for policy in reversed(policies)
    }  # of several ways of training
    return next((first[name] for name in (*LEARNED, "nash") if name in first), policies[0])


def with_outcomes(tables: Tables, policy: str) -> pd.DataFrame:
    """The rows of a policy in the table "evaluation" with what was left to others than users.

    Columns added: `edge_share` and `platform_share`, edge devices' utility and platform's balance,
    both in credits per slot and user as `gain` is.
    """
    evaluation = tables["evaluation"]
    rows = evaluation[evaluation["policy"] == policy].copy()
    rows["edge_share"] = rows["edge_utility"] / rows["num_users"]
    rows["platform_share"] = rows["platform_balance"] / rows["num_users"]
    return rows


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
