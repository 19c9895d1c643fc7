"""Market studies: markets as a platform meets them, audited, recorded and printed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

import mechanisms
from envs import RequestConfig, World, WorldConfig
from envs.reports import user_reports
from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.study.evaluation import make_heuristic
from marl_moe.experiment.study.market_study import SETTLING_SLOTS, sample_markets
from marl_moe.terminal.audit import audit_table, conditions
from mechanisms import Market

WORLD = WorldConfig(
    num_users=4, num_experts=6, episode_slots=14, requests=RequestConfig(num_transferred=1)
)
STUDY = {
    "name": "tiny_audit",
    "kind": "market_study",
    "env": {
        "num_users": 4,
        "num_experts": 6,
        "episode_slots": 14,
        "requests": {"num_transferred": 1},
    },
    "audit": {"markets": 6, "agents": 2, "misreports": 8},
    "sweep": {
        "mechanism": [
            {"name": "none"},
            {"name": "posted_price"},
            {"name": "vcg", "bandwidth": True},
        ]
    },
    "cluster": {"max_concurrent_trials": 1},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished study: its run folder, and what was printed."""
    folder = tmp_path_factory.mktemp("study")
    source = folder / "tiny.yaml"
    source.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    result = CliRunner().invoke(app, ["run", str(source), "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return folder / "tiny_audit", result.output


def sample(count: int, seed: int = 0) -> Market:
    return sample_markets(WORLD, make_heuristic("greedy", seed), count, seed)


def test_sampled_markets_are_those_of_a_world_played_to_these_slots() -> None:
    markets = sample(5)
    world, policy = World(WORLD, 5, 0, mechanisms.make("none")), make_heuristic("greedy", 0)
    for _ in range(SETTLING_SLOTS):
        world.step(policy.act(world.slot))
    met = world.market.market(user_reports(world.slot.conditions))
    for sampled, expected in ((markets, met), (markets.users, met.users)):
        for name, array in expected.arrays().items():
            np.testing.assert_array_equal(sampled.arrays()[name], array, err_msg=name)


def test_more_markets_than_worlds_are_spread_over_later_slots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("marl_moe.experiment.study.evaluation.WORLDS_AT_ONCE", 2)
    markets = sample(7)
    assert markets.batch_shape == (7,)
    assert len({row.tobytes() for row in markets.users.value}) == 7
    np.testing.assert_array_equal(
        markets.unit_cost[:2], markets.unit_cost[2:4]
    )  # the same worlds, later
    with pytest.raises(
        ValueError, match=r"audit\.markets should be at most 8 with episodes of 14 slots"
    ):
        sample(9)


def test_a_study_leaves_one_row_a_mechanism_and_prints_one_table(study: tuple[Path, str]) -> None:
    folder, printed = study
    rows = pd.read_parquet(folder / "audit.parquet")
    written = pq.read_schema(folder / "audit.parquet")
    assert written.names == list(TABLES["audit"])
    assert all(column.metadata[b"doc"] for column in written)
    assert rows["mechanism"].tolist() == ["none", "posted_price", "vcg"]
    assert rows["point"].tolist()[2] == "mechanism=vcg bandwidth=True"
    assert (rows["markets"] == 6).all()
    assert (rows["failed_clearings"] == 0).all()
    assert {path.name for path in folder.iterdir()} >= {
        "experiment.yaml",
        "environment.json",
        "audit.parquet",
    }
    assert not (folder / "evaluation.parquet").exists()
    for cell in ("none", "posted_price", "vcg bandwidth=True", "welfare"):
        assert cell in printed


def test_what_is_recorded_is_what_the_mechanisms_are_known_for(study: tuple[Path, str]) -> None:
    rows = pd.read_parquet(study[0] / "audit.parquet").set_index("mechanism")
    assert rows.loc["none", "min_utility_edge_devices"] < 0  # serves unpaid
    assert rows.loc["none", "payments"] == 0
    assert rows.loc["posted_price", "budget_balance"] == pytest.approx(0, abs=1e-12)
    assert rows.loc["posted_price", "welfare_ratio"] < 1
    assert rows.loc["vcg", "welfare_ratio"] == pytest.approx(1, abs=1e-9)
    assert rows.loc["vcg", "regret_max_users"] == pytest.approx(0, abs=1e-9)
    assert rows.loc["vcg", "agents_users"] == 6 * 2
    assert rows.loc[["none", "posted_price"], "regret_max_users"].isna().all()
    assert (rows["violations"] == "").all()


@pytest.mark.usefixtures("one_core")
def test_a_study_repeats_and_resumes_from_the_audits_that_are_done(
    study: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = study
    whole = pd.read_parquet(folder / "audit.parquet")
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    for name in ("experiment.yaml", "environment.json"):
        (stopped / name).write_bytes((folder / name).read_bytes())
    whole.iloc[:1].to_parquet(stopped / "audit.parquet", index=False)
    assert CliRunner().invoke(app, ["resume", str(stopped)]).exit_code == 0
    again = pd.read_parquet(stopped / "audit.parquet")
    pd.testing.assert_frame_equal(
        again.drop(columns="solve_seconds"), whole.drop(columns="solve_seconds")
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"algorithm": {"name": "sac"}}, "kind: market_study has no algorithm"),
        (
            {"audit": {"markets": 0}},
            "audit.markets: Input should be greater than or equal to 1, got 0",
        ),
        ({"audit": {"policy": "greedi"}}, "did you mean 'greedy'"),
        ({"audit": {"misreport": 3}}, "did you mean 'misreports'"),
        ({"sweep": {"mechanism": [{"name": "vcq"}]}}, "did you mean 'vcg'"),
    ],
)
def test_a_mistake_in_a_study_is_named(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    source = tmp_path / "wrong.yaml"
    source.write_text(yaml.safe_dump(STUDY | change))
    result = CliRunner().invoke(app, ["run", str(source), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_a_study_has_no_policies_to_play_again(study: tuple[Path, str]) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(study[0])])
    assert result.exit_code == 2
    assert "a market study compares no policies" in result.output


def test_the_shipped_audit_holds_every_mechanism() -> None:
    spec = load_experiment("mechanism_audit")
    assert {point["name"] for point in spec.sweep["mechanism"]} == set(mechanisms.names())
    assert spec.audit.markets == 1000


def printed(rows: pd.DataFrame) -> list[str]:
    """Return the rows of the table."""
    console = Console(width=300, markup=False)
    with console.capture() as capture:
        console.print(audit_table("study", rows))
    return [line for line in capture.get().splitlines() if line.startswith("│")]


def test_the_table_tells_a_broken_claim_from_one_that_holds_or_is_not_made(
    study: tuple[Path, str],
) -> None:
    rows = pd.read_parquet(study[0] / "audit.parquet")
    assert "✗" not in "".join(printed(rows))
    broken = rows.copy()
    broken.loc[rows["mechanism"] == "vcg", "regret_max_users"] = 0.25
    broken.loc[rows["mechanism"] == "vcg", ["violations", "condition"]] = [
        "one gains 0.25",
        "few users",
    ]
    none, posted_price, vcg = printed(broken)
    assert vcg.count("✗*") == 1
    assert "✗* 0 / 0.250" in vcg
    assert vcg.count("✓*") == 3  # individual rationality of both sides, efficiency
    assert "✗" not in none + posted_price
    assert conditions(broken) == [
        "* vcg: few users",
        "✗ vcg, whose condition these markets need not grant: one gains 0.25",
    ]
    assert conditions(rows) == []


def test_the_schema_and_the_loader_agree_on_a_study() -> None:
    schema = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    assert "audit" in schema["properties"]
    with pytest.raises(SpecError, match="unknown"):
        load_experiment("mechanism_audit", ["audit.marketz=3"])
