"""Runs in which edge devices and the platform learn beside users: tables, entries, kills."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import mechanisms
from envs import World
from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.records.tables import schema
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.policies.learned import load_policy
from marl_moe.policies.learned_sides import SIDES, SIDES_WEIGHTS, load_sides
from marl_moe.seeds import evaluation_seed, sides_generator
from tests.faults.command import PATIENCE_S, facts, marl_moe, partials, started, wait_until

Yaml = dict[str, Any]
ROLES = ("users", "edge_devices", "platform")
GRIDS = {"report_factors": [0.5, 1.0, 2.0], "value_factors": [0.8, 1.0], "margins": [0.0, 0.5]}
USERS, EXPERTS, EPISODES, EPOCHS = 2, 4, 2, 2
PLAYED = ("training", "evaluation", "exploitability", "market", "market_users")
SEED_FOLDER = Path("checkpoints") / "seed_0"
ALONE = {"edge_devices": "truthful", "platform": "fixed"}
pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(scope="module")
def three_roles(tiny_experiment: Yaml) -> Yaml:
    """Return an experiment of seconds in which all three roles learn."""
    experiment = copy.deepcopy(tiny_experiment) | {"name": "roles", "seeds": 1}
    experiment["env"] |= {"num_experts": EXPERTS, "market": {"interval": 3}, "roles": GRIDS}
    experiment["algorithm"]["roles"] = {
        "edge_devices": "sac",
        "platform": "sac",
        "platform_training_intensity": 8.0,
    }
    experiment["evaluation"] = {
        "episodes": EPISODES,
        "best_response_epochs": 1,
        "policies": [
            "greedy",
            {"users": "greedy", **ALONE, "as": "greedy alone"},
            {"users": "sac", **ALONE, "as": "sac alone"},
            {"users": "sac", "edge_devices": "truthful"},
        ],
    }
    return experiment


@pytest.fixture(scope="module")
def run(
    ray_started: None, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Yaml], tuple[Path, str]]:
    """Return a function that runs an experiment: its folder, and what was printed."""

    def play(experiment: Yaml) -> tuple[Path, str]:
        out = tmp_path_factory.mktemp("roles")
        (out / "source.yaml").write_text(yaml.safe_dump(experiment))
        done = marl_moe("run", out / "source.yaml", "--out", out)
        assert done.exit_code == 0, done.output
        return out / experiment["name"], done.stdout

    return play


@pytest.fixture(scope="module")
def finished(run: Callable[[Yaml], tuple[Path, str]], three_roles: Yaml) -> tuple[Path, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        return run(three_roles)


@pytest.fixture
def folder(finished: tuple[Path, str]) -> Path:
    return finished[0]


def spec_of(folder: Path) -> ExperimentSpec:
    return RunFolder.read(folder).spec


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


@pytest.mark.parametrize("name", PLAYED)
def test_each_table_has_the_documented_columns(folder: Path, name: str) -> None:
    assert name in TABLES
    assert table(folder, name).columns.tolist() == schema(name).names
    assert len(table(folder, name))


def test_the_rows_of_training_tell_of_each_side(folder: Path) -> None:
    rows = table(folder, "training")
    assert len(rows) == EPOCHS
    decisions = 3 * 2  # an episode of 10 slots, in 2 worlds
    assert rows["edge_devices_updates"].tolist() == [12, 24]  # 8 x 6 x 4 / 16
    assert rows["platform_updates"].tolist() == [8.0 * decisions * n // 16 for n in (1, 2)]
    for role in ("edge_devices", "platform"):
        told = [f"{role}_{what}" for what in ("reward", "critic_loss", "temperature", "entropy")]
        assert np.isfinite(rows[told]).all(axis=None)
        assert (rows[told[1:]] > 0).all(axis=None)
    assert rows["margin"].between(0, 0.5).all()
    assert rows["report_factor"].between(0.5, 2).all()
    assert rows["value_factor"].between(0.8, 1).all()


def test_exploitability_has_a_row_for_each_role_and_episode(folder: Path) -> None:
    rows = table(folder, "exploitability")
    assert rows["role"].tolist() == [role for role in ROLES for _ in range(EPISODES)]
    assert rows["episode"].tolist() == list(range(EPISODES)) * 3
    assert rows["agent"].tolist() == [0, 1, 0, 1, 0, 0]
    gain = rows["deviating_reward"] - rows["reward"]
    pd.testing.assert_series_equal(rows["gain"], gain, check_names=False)
    evaluated = table(folder, "evaluation").query("policy == 'sac'")
    reward = rows.query("role == 'platform'")["reward"]
    np.testing.assert_allclose(reward, evaluated["welfare"], rtol=1e-12)  # it aims at welfare


def test_clearings_are_decided_by_choices_of_the_grids_after_the_first(folder: Path) -> None:
    market = table(folder, "market")
    for column, grid in zip(
        ("report_factor", "value_factor", "margin"), GRIDS.values(), strict=True
    ):
        assert set(market[column]) <= set(grid)
        first, later = market[market["slot"] == 0], market[market["slot"] > 0]
        assert set(first[column]) == {0.0 if column == "margin" else 1.0}
        mean = later.groupby(["policy", "episode"])[column].mean()
        evaluated = table(folder, "evaluation").set_index(["policy", "episode"])[column]
        pd.testing.assert_series_equal(mean.sort_index(), evaluated.sort_index())


def test_an_entry_of_roles_is_played_among_the_sides_that_it_names(
    folder: Path, tmp_path: Path
) -> None:
    """Others than were trained, of which it is known what they choose: 2, 0.8 and 0.5."""
    shutil.copytree(folder, tmp_path / "copy")
    path = tmp_path / "copy" / SEED_FOLDER / SIDES
    mixes = {"edge_devices": [[0, 0, 1]] * EXPERTS, "platform": [[0, 1, 0, 0]]}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"networks": {}, "mixes": mixes}))
    (job,) = RunFolder.read(tmp_path / "copy").training_jobs()
    entries = {
        **dict.fromkeys(("sac", "greedy"), (2.0, 0.8, 0.5)),
        **dict.fromkeys(("sac alone", "greedy alone"), (1.0, 1.0, 0.0)),
        "sac, truthful": (1.0, 0.8, 0.5),
    }
    tables = job.evaluate([job.policy(name) for name in entries], EPISODES)
    market = tables["market"].query("slot > 0").set_index("policy")
    for name, expected in entries.items():
        chosen = market.loc[name, ["report_factor", "value_factor", "margin"]].drop_duplicates()
        assert chosen.to_numpy().tolist() == [list(expected)]
    evaluation = tables["evaluation"].set_index("policy")
    assert (evaluation.loc["greedy alone", "platform_balance"].abs() < 1e-12).all()
    assert (evaluation.loc["greedy", "platform_balance"] > 0).all()


def test_the_evaluation_plays_the_policies_and_sides_that_were_saved(folder: Path) -> None:
    spec, saved = spec_of(folder), folder / SEED_FOLDER
    posted = mechanisms.make("posted_price")
    for name, among in (("sac", True), ("sac alone", False)):
        world = World(spec.env, EPISODES, evaluation_seed(0, 0), posted)
        users, sides = (
            load_policy(saved, "sac"),
            load_sides(saved, spec.env.roles, sides_generator(0)),
        )
        gain = np.zeros(EPISODES)
        while not world.done:
            chosen = sides.choices(world) if among else {}
            gain += world.step(users.act(world.slot), **chosen)[2].gain.mean(axis=1)
        rows = table(folder, "evaluation")
        evaluated = rows[rows["policy"] == name]
        np.testing.assert_allclose(evaluated["gain"], gain / 10, rtol=1e-12)


def test_what_sides_chose_and_agents_have_left_to_gain_is_printed(
    finished: tuple[Path, str],
) -> None:
    folder, printed = finished
    assert "roles, the other sides" in printed
    assert "roles, exploitability" in printed
    for words in ("left to gain", "edge_devices", "platform", "sac alone"):
        assert words in printed
    again = marl_moe("evaluate", folder, "--policy", "sac alone")
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize("role", ROLES)
def test_while_one_agent_learns_alone_all_others_play_what_was_saved(
    folder: Path, role: str
) -> None:
    spec, saved = spec_of(folder), folder / SEED_FOLDER
    config = algorithm_config(spec, 7, (role, str(saved)))
    runner = config.env_runner_cls(config=config, worker_index=1)
    users, sides = load_policy(saved, "sac"), load_sides(saved, spec.env.roles, sides_generator(0))
    world, step, rewards, drawn = runner.world, runner.world.step, [], []

    def checked(action: np.ndarray, **chosen: np.ndarray) -> Any:
        agent, row = runner.deviation.agent.copy(), np.arange(world.num_worlds)
        played = {"users": action.copy()} | {name: one.copy() for name, one in chosen.items()}
        expected = {"users": users.act(world.slot)} | sides.choices(world)
        assert played.keys() == expected.keys()
        for name, others in expected.items():
            if name == role:
                mine, theirs = (one.reshape(len(row), -1) for one in (played[name], others))
                mine[row, agent] = theirs[row, agent] = -1
            np.testing.assert_array_equal(played[name].ravel(), others.ravel())
        out = step(action, **chosen)
        earned = {"users": out[1], "edge_devices": out[2].payment - out[2].edge_cost}
        rewards.append(earned.get(role, out[1])[row, agent])
        drawn.append(agent)
        return out

    world.step = checked
    fragments = [runner.sample() for _ in range(6)]
    assert len(drawn) == 30
    agents = np.array(drawn).reshape(3, 10, -1)
    assert (agents == agents[:, :1]).all()  # an episode long
    assert role == "platform" or len(np.unique(agents)) > 1
    if role == "users":
        found = np.concatenate([fragment.reward[:-1, :, 0] for fragment in fragments])
        np.testing.assert_array_equal(found, rewards)
        assert all(fragment.decisions == {} for fragment in fragments)
    else:
        assert {name for fragment in fragments for name in fragment.decisions} == {role}
        parts = [fragment.decisions[role].reward for fragment in fragments if fragment.decisions]
        found = np.concatenate(parts).reshape(3, 3, world.num_worlds)
        if role == "edge_devices":  # of the slots 3 to 5, 6 to 8, and 9
            sums = np.add.reduceat(np.reshape(rewards, (3, 10, -1)), [3, 6, 9], axis=1)
            np.testing.assert_allclose(found, sums, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("edge_devices", ["hedge", "truthful"])
def test_edge_devices_that_hedge_are_saved_as_their_mixes_and_others_not_at_all(
    run: Callable[[Yaml], tuple[Path, str]], three_roles: Yaml, edge_devices: str
) -> None:
    experiment = copy.deepcopy(three_roles)
    experiment["algorithm"]["roles"] = {"edge_devices": edge_devices}
    folder, printed = run(experiment)
    assert table(folder, "exploitability")["role"].tolist() == [r for r in ROLES for _ in range(2)]
    rows = table(folder, "training")
    assert rows[["edge_devices_critic_loss", "platform_updates"]].isna().all(axis=None)
    hedges = edge_devices == "hedge"
    assert rows["report_factor"].notna().all() == hedges
    assert (folder / SEED_FOLDER / SIDES).is_file() == hedges
    assert ("the other sides" in printed) == hedges
    assert (table(folder, "market")["margin"] == 0).all()
    if hedges:
        told = json.loads((folder / SEED_FOLDER / SIDES).read_text())
        assert np.shape(told["mixes"]["edge_devices"]) == (EXPERTS, 3)
        np.testing.assert_allclose(np.sum(told["mixes"]["edge_devices"], axis=1), 1)
        return
    config = algorithm_config(spec_of(folder), 7, ("edge_devices", str(folder / SEED_FOLDER)))
    runner = config.env_runner_cls(config=config, worker_index=1)
    while not runner.world.decides:
        runner.world.step(runner.world.slot.mask.argmax(axis=-1))
    chosen = runner.sides.choose(runner.world, runner.module)["edge_devices"]
    chosen[[0, 1], runner.deviation.agent] = 1
    assert (chosen == 1).all()  # all but who deviates report their costs


@pytest.mark.faults
def test_a_run_of_three_roles_that_is_killed_twice_ends_at_the_tables_of_one_that_was_not(
    run: Callable[[Yaml], tuple[Path, str]], three_roles: Yaml, tmp_path: Path
) -> None:
    """Killed amid training, and after it, while best responses are sought or policies compared."""
    experiment = copy.deepcopy(three_roles)
    experiment["algorithm"]["stop"] = {"training_iteration": 25}
    experiment["algorithm"]["checkpointing"] = {"checkpoint_frequency": 1}
    experiment["evaluation"]["best_response_epochs"] = 10
    whole, _ = run(experiment)
    (tmp_path / "source.yaml").write_text(yaml.safe_dump(experiment))
    folder, command = tmp_path / "roles", ("run", tmp_path / "source.yaml", "--out", tmp_path)
    for name in ("resume.safetensors", SIDES):
        process = started(*command)
        wait_until((folder / SEED_FOLDER / name).exists, process)
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        command = ("resume", folder)
    assert not (folder / "evaluation.parquet").exists()
    done = marl_moe("resume", folder)
    assert done.exit_code == 0, done.output
    for name in PLAYED:
        pd.testing.assert_frame_equal(facts(folder, name), facts(whole, name), check_exact=True)
    for name in (SIDES_WEIGHTS, "policy.safetensors", "networks.safetensors"):
        saved = SEED_FOLDER / name
        assert (folder / saved).read_bytes() == (whole / saved).read_bytes()
    assert partials(folder) == []
