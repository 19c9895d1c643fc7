"""Market studies of mechanisms that clear by their programs in CVXPY."""

from typing import Any

import pandas as pd
import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.study.market_study import study

STUDY = {
    "name": "tiny_programs",
    "kind": "market_study",
    "env": {
        "num_users": 3,
        "num_experts": 4,
        "episode_slots": 12,
        "requests": {"num_transferred": 1},
    },
    "audit": {"markets": 2, "agents": 1, "misreports": 1},
}


def measured(**mechanism: Any) -> pd.Series:
    """Return the row of an audit of that section `mechanism`."""
    spec = parse_experiment(STUDY | {"mechanism": mechanism}, "tiny.yaml")
    return study(spec, seed=0).audit.iloc[0]


@pytest.mark.parametrize("name", ["posted_price", "budgeted_price", "proportional_share", "vcg"])
def test_an_audit_of_the_program_measures_what_that_of_the_direct_path_does(name: str) -> None:
    direct, program = measured(name=name), measured(name=name, solver="cvxpy")
    for column in ("payments", "welfare", "welfare_ratio", "participation_edge_devices"):
        assert program[column] == pytest.approx(direct[column], rel=1e-4), column
    assert direct["payments"] > 0
    assert program["markets"] == direct["markets"] == 2  # at the truth the solver settles all
    # Of hundreds of lies, Clarabel may call an optimum inaccurate, and the audit counts them.
    assert program["failed_clearings"] <= 0.01 * program["clearings"]
    assert direct["failed_clearings"] == 0


def test_a_solver_that_there_is_not_is_refused_before_anything_runs() -> None:
    with pytest.raises(SpecError, match="posted_price: no solver 'cvxpi'; did you mean 'cvxpy'"):
        measured(name="posted_price", solver="cvxpi")
