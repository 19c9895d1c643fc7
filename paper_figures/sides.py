"""What the other sides of a market chose, and what agents have left to gain, as metrics."""

import pandas as pd

from paper_figures.tables import Tables

CHOSEN = {"report_factor": 1.0, "value_factor": 1.0, "margin": 0.0}  # where nobody chooses
ROLES = ("users", "edge_devices", "platform")
LEFT_TO_GAIN = tuple(f"left_to_gain_{role}" for role in ROLES)
_EPISODE = ["settings", "seed", "episode"]


def nobody_chose(evaluation: pd.DataFrame, column: str) -> bool:
    """Return whether a column of `CHOSEN` is what it is where nobody chooses, in all rows."""
    return column in CHOSEN and bool(evaluation[column].dropna().eq(CHOSEN[column]).all())


def with_left_to_gain(tables: Tables) -> pd.DataFrame:
    """Return the table "evaluation" with what an agent of each role has left to gain.

    Columns added where the run measured them: those of `LEFT_TO_GAIN`, in the units of the rewards,
    of the policy that was trained at that sweep point.

    Args:
        tables: of a run, "evaluation" among them.
    """
    evaluation = tables["evaluation"]
    found, training = tables.get("exploitability"), tables.get("training")
    if found is None or training is None or found.empty or training.empty:
        return evaluation
    gains = found.pivot_table(index=_EPISODE, columns="role", values="gain")
    gains = gains.rename(columns=lambda role: f"left_to_gain_{role}").reset_index()
    trained = training[["settings", "algorithm"]].drop_duplicates()
    of_policies = gains.merge(trained.rename(columns={"algorithm": "policy"}), on="settings")
    return evaluation.merge(of_policies, on=[*_EPISODE, "policy"], how="left")
