"""Experiments from Python: the same runs as the command's, policies and figures of them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import marl_moe
from envs import Slot
from marl_moe.errors import SpecError
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.policies.heuristics import Greedy
from paper_figures import CannotDraw

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(
    tiny_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, ray_started: None
) -> marl_moe.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        return marl_moe.run(tiny_experiment, out=tmp_path_factory.mktemp("out"), progress=False)


def test_a_run_gives_its_tables_and_loads_again(run: marl_moe.Run) -> None:
    again = marl_moe.load(run.folder)
    for name in ("training", "evaluation", "market", "market_users"):
        on_disk = pd.read_parquet(run.folder / f"{name}.parquet")
        pd.testing.assert_frame_equal(getattr(run, name), on_disk)
        pd.testing.assert_frame_equal(getattr(again, name), on_disk)
    assert run.audit.empty
    assert (run.seeds, run.points) == ([0, 1], [""])
    assert repr(again) == f"Run({str(run.folder)!r})"


def test_what_is_played_again_is_what_was_recorded(run: marl_moe.Run) -> None:
    pd.testing.assert_frame_equal(marl_moe.evaluate(run), run.evaluation)


def test_a_policy_of_ones_own_meets_the_same_worlds(run: marl_moe.Run) -> None:
    class Mine(Greedy):
        name = "mine"

    class Nameless:
        def act(self, slot: Slot) -> Any:
            return Greedy(np.random.default_rng(0)).act(slot)

    nameless = Nameless()
    played = marl_moe.evaluate(run, ["greedy", Mine, nameless], episodes=2)
    by_policy = [rows.drop(columns="policy") for _, rows in played.groupby("policy")]
    assert sorted(played["policy"].unique()) == ["greedy", "mine", "nameless"]
    for rows in by_policy[1:]:
        pd.testing.assert_frame_equal(
            rows.reset_index(drop=True), by_policy[0].reset_index(drop=True)
        )
    with pytest.raises(SpecError, match="two policies are called 'greedy'"):
        marl_moe.evaluate(run, ["greedy", Greedy])
    with pytest.raises(SpecError, match="3 has no method act"):
        marl_moe.evaluate(run, [3])
    with pytest.raises(SpecError, match="unknown 'greedi'; did you mean 'greedy'"):
        marl_moe.evaluate(run, ["greedi"])


def test_other_worlds_are_other_worlds(run: marl_moe.Run) -> None:
    free = marl_moe.evaluate(run, ["random"], env={"market": {"value": 0.0}})
    assert (free["charge"] == 0).all()  # nothing is worth a price
    assert (run.evaluation["charge"] > 0).any()
    with pytest.raises(SpecError, match="did you mean 'num_users'"):
        marl_moe.evaluate(run, ["random"], env={"num_userz": 2})


def test_a_policy_of_a_run_acts_as_it_did(run: marl_moe.Run) -> None:
    for seed in (0, 1):
        policy = run.policy("sac", seed=seed)
        rows = marl_moe.evaluate(run, [policy])
        recorded = run.evaluation.query("policy == 'sac' and seed == @seed")
        pd.testing.assert_frame_equal(
            rows.query("seed == @seed").reset_index(drop=True)[["gain", "utility"]],
            recorded.reset_index(drop=True)[["gain", "utility"]],
        )
    with pytest.raises(SpecError, match="seed: should be one of 0, 1, got 7"):
        run.policy("sac", seed=7)
    with pytest.raises(SpecError, match="point: unknown 'x'"):
        run.policy("sac", point="x")


def test_a_figure_is_drawn_by_its_name(run: marl_moe.Run) -> None:
    assert isinstance(run.figure("policies"), Axes)
    with pytest.raises(SpecError, match="did you mean 'policies'"):
        run.figure("policiez")
    with pytest.raises(CannotDraw, match="contention: "):
        run.figure("contention")


@pytest.mark.usefixtures("ray_started", "one_core")
def test_a_run_that_was_interrupted_goes_on(
    run: marl_moe.Run, tiny_experiment: dict[str, Any], tmp_path: Path
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    begun = create_run(parse_experiment(tiny_experiment, "tiny"), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        continue_run(begun, Progress(on_epoch=stop))
    interrupted = marl_moe.load(begun.path)
    assert "2 jobs left: resume()" in repr(interrupted)
    pd.testing.assert_frame_equal(interrupted.resume(progress=False).evaluation, run.evaluation)


@pytest.mark.parametrize(
    ("experiment", "changes", "message"),
    [
        ("quickstartt", {}, "did you mean 'quickstart'"),
        ("quickstart", {"env": {"num_userz": 1}}, "did you mean 'num_users'"),
        ("quickstart", {"seedz": 1}, "did you mean 'seeds'"),
        ({"name": "mine"}, {"size": "smoke"}, "size: is for an experiment"),
        ({"name": "mine", "imports": ["not_there.py"]}, {}, "not_there.py: no such file"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(
    tmp_path: Path, experiment: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        marl_moe.run(experiment, out=tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import marl_moe, sys; print(marl_moe.__version__, *sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).split()
    assert not {"ray", "torch", "pandas", "matplotlib", "numpy"} & set(loaded)
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        marl_moe.runn  # noqa: B018


SCRIPT = """
import os
os.cpu_count = lambda: 2
import sys
import mechanisms, marl_moe
from marl_moe.policies import register
from marl_moe.policies.heuristics import Greedy

@register("of_a_script")
class OfAScript(Greedy):
    name = "of_a_script"

run = marl_moe.run(
    {
        "name": "script",
        "seeds": 2,
        "env": {"num_users": 2, "num_experts": 6, "episode_slots": 10},
        "algorithm": None,
        "evaluation": {"episodes": 2, "policies": ["greedy", "of_a_script"]},
    },
    out=sys.argv[1],
)
print(run.evaluation.groupby(["policy", "seed"])["gain"].mean().to_json())
"""


def test_a_policy_registered_in_a_script_is_known_where_seeds_run_side_by_side(
    tmp_path: Path,
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py", "out"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    gains = pd.read_parquet(tmp_path / "out/script/evaluation.parquet").pivot_table(
        index=["seed", "episode"], columns="policy", values="gain"
    )
    assert (gains["greedy"] == gains["of_a_script"]).all()
    assert len(gains) == 4
