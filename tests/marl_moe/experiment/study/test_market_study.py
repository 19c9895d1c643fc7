"""Market studies: markets as a platform meets them, audited, recorded and printed."""

import json
import re
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
from marl_moe.terminal.audit import audit_table, conditions, regret_table
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
    "audit": {
        "markets": 6,
        "agents": 2,
        "misreports": 8,
        "grid_markets": 1,
        "play": {"rounds": 4, "deviators": 1, "measured": 2, "factors": [1.0, 2.0]},
    },
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
    assert rows.loc["none", ["report_factor", "truth_regret"]].tolist() == [
        pytest.approx(1, abs=1e-3),
        0,
    ]
    for how in ("promised", "played"):
        left = rows[[f"{how}_user_utility", f"{how}_edge_utility", f"{how}_balance"]].sum(axis=1)
        np.testing.assert_allclose(left, rows[f"{how}_welfare"], atol=1e-9)
    for mix in map(json.loads, rows["report_mix"]):
        assert sum(share for _, share in mix) == pytest.approx(1)
    regret = pd.read_parquet(study[0] / "regret.parquet").set_index(["mechanism", "side", "field"])
    assert regret.loc[("vcg", "users", "value"), "regret_max"] == pytest.approx(0, abs=1e-9)
    assert regret.loc[("vcg", "users", "value"), "claimed"]
    assert not regret.loc[("vcg", "edge_devices", "costs"), "claimed"]
    assert regret["grid_share"].notna().all()
    assert set(regret.loc["posted_price"].index.get_level_values("side")) == {"edge_devices"}
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
    regret = pd.read_parquet(folder / "regret.parquet")
    first = regret[regret["point"] == whole["point"][0]]
    first.to_parquet(stopped / "regret.parquet", index=False)
    assert CliRunner().invoke(app, ["resume", str(stopped)]).exit_code == 0
    again = pd.read_parquet(stopped / "audit.parquet")
    pd.testing.assert_frame_equal(
        again.drop(columns="solve_seconds"), whole.drop(columns="solve_seconds")
    )
    pd.testing.assert_frame_equal(pd.read_parquet(stopped / "regret.parquet"), regret)


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
        ({"audit": {"play": {"factors": [2.0, 1.0]}}}, "audit.play.factors: .* must ascend"),
        ({"audit": {"play": {"factors": [0.5, 2.0]}}}, "audit.play.factors: .* must contain 1.0"),
        ({"audit": {"play": {"rounds": 1}}}, "audit.play.rounds: .* greater than or equal to 2"),
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
    assert re.search(message, result.output)
    assert not (tmp_path / "out").exists()


def test_a_study_has_no_policies_to_play_again(study: tuple[Path, str]) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(study[0])])
    assert result.exit_code == 2
    assert "a market study compares no policies" in result.output


def test_the_shipped_audit_holds_every_mechanism() -> None:
    spec = load_experiment("mechanism_audit")
    assert {point["mechanism"]["name"] for point in spec.sweep} == set(mechanisms.names())
    assert spec.audit.markets == 1000


def test_the_shipped_studies_ask_of_each_mechanism_in_the_regimes_that_it_claims() -> None:
    claimed = {
        (name, effort)
        for name in set(mechanisms.names()) - {"none", "fisher"}
        for effort in mechanisms.make(name).claims.regimes
    }
    for study in ("mechanism_audit", "manipulation"):
        points = load_experiment(study).sweep
        asked = {
            (point["mechanism"]["name"], point.get("env.market.effort", "bought"))
            for point in points
        }
        assert claimed <= asked


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
    broken.loc[rows["mechanism"] == "vcg", "min_utility_users"] = -0.25
    broken.loc[rows["mechanism"] == "vcg", ["violations", "condition"]] = [
        "one gains 0.25",
        "few users",
    ]
    none, posted_price, vcg = printed(broken)
    assert vcg.count("✗*") == 1
    assert "✗* -0.250" in vcg
    assert vcg.count("✓*") == 2  # individual rationality of edge devices, efficiency
    assert "✗" not in none + posted_price
    assert conditions(broken) == [
        "* vcg: few users",
        "✗ vcg, whose condition these markets need not grant: one gains 0.25",
    ]
    assert conditions(rows) == []


def test_the_table_of_regret_tells_a_broken_claim_and_counts_fields_of_which_nothing_is_to_tell(
    study: tuple[Path, str],
) -> None:
    regret = pd.read_parquet(study[0] / "regret.parquet")
    regret["regret_max"] = 0.0
    lying = (regret["mechanism"] == "vcg") & (regret["field"].isin(["value", "work"]))
    regret.loc[lying, "regret_max"] = 0.25
    console = Console(width=300, markup=False)
    with console.capture() as capture:
        console.print(regret_table(regret, {"mechanism=vcg bandwidth=True"}))
    lines = capture.get().splitlines()
    (value,) = (line for line in lines if "users: value" in line)
    (work,) = (line for line in lines if "users: work" in line)
    assert "✗*" in value
    assert "–" in work
    told = regret["claimed"] | lying
    assert f"{(~told).sum()} fields more" in capture.get()
    assert sum("users:" in line or "edge devices:" in line for line in lines) == told.sum()


def test_the_schema_and_the_loader_agree_on_a_study() -> None:
    schema = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    assert "audit" in schema["properties"]
    with pytest.raises(SpecError, match="unknown"):
        load_experiment("mechanism_audit", ["audit.marketz=3"])
