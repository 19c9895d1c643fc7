"""Places in an experiment: mistakes by their key, sweeps over models, files of places, imports."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from envs import World
from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.reading import load_experiment, parse_experiment
from marl_moe.experiment.spec.sweep import sweep_points

Yaml = dict[str, Any]
STATIC = {"model": "static"}


def experiment(geometry: Yaml | None, **keys: Any) -> Yaml:
    channel = {"process": "geometric", "bandwidth_hz": 1e6}
    channel |= {} if geometry is None else {"geometry": geometry}
    env = {"num_users": 3, "num_experts": 4, "episode_slots": 3, "channel": channel}
    evaluation = {"episodes": 1, "policies": ["max_snr"]}
    return {"name": "x", "algorithm": None, "env": env, "evaluation": evaluation} | keys


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (
            {"users": {"mobility": {"model": "random_waypint"}}},
            "x.yaml: env.channel.geometry.users.mobility.model: no mobility 'random_waypint'; did "
            "you mean 'random_waypoint'?",
        ),
        (
            {"users": {"mobility": {"model": "random_waypoint", "speed": [1, 2]}}},
            "x.yaml: env.channel.geometry.users.mobility.speed: mobility 'random_waypoint' has no "
            "parameter 'speed'; did you mean 'speed_m_s'?",
        ),
        (
            {"users": {"mobility": {"model": "random_waypoint", "pause_s": "long"}}},
            "x.yaml: env.channel.geometry.users.mobility.pause_s: should be a list, got 'long'",
        ),
        (
            {"path_loss": {"model": "log_distance", "exponent": "3"}},
            "x.yaml: env.channel.geometry.path_loss.exponent: Input should be a valid number",
        ),
        (
            {"experts": {"hight_m": 3}},
            "x.yaml: env.channel.geometry.experts.hight_m: unknown 'hight_m'; did you mean",
        ),
        (
            {"area_m": 1000},
            "x.yaml: env.channel.geometry.area_m: should be a list, such as [1000, 1000], got 1000",
        ),
        (
            {"area_m": [1000]},
            "x.yaml: env.channel.geometry.area_m: should have 2 entries, got [1000]",
        ),
        (
            {"users": {"mobility": {"model": "random_waypoint", "speed_m_s": [1, 1e5]}}},
            "x.yaml: env.channel.geometry.users.mobility.speed_m_s: should be at most 1,000 m/s",
        ),
        (
            {"users": {"mobility": {"model": "gauss_markov", "mean_speed_m_s": 1001}}},
            "x.yaml: env.channel.geometry.users.mobility.mean_speed_m_s: Input should be less than",
        ),
        (None, "x.yaml: env.channel: process: geometric needs the section geometry"),
    ],
)
def test_a_mistake_is_told_with_its_key(geometry: Yaml | None, message: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_experiment(experiment(geometry), "x.yaml")
    assert str(error.value).startswith(message)


def test_a_model_is_swept_with_its_parameters_and_takes_the_place_of_the_whole() -> None:
    raw = experiment({"path_loss": {"model": "log_distance", "exponent": 2.5}})
    raw["sweep"] = {
        "env.channel.geometry.path_loss": [
            {"model": "free_space"},
            {"model": "log_distance", "reference_m": 10.0},
        ],
        "env.channel.geometry.users.mobility.speed_m_s": [[1.0, 1.0], [9.0, 9.0]],
    }
    points = sweep_points(parse_experiment(raw, "x.yaml"))
    found = [point.spec.env.channel.geometry for point in points]
    assert [geometry.path_loss for geometry in found if geometry] == [
        *2 * [{"model": "free_space"}],
        *2 * [{"model": "log_distance", "reference_m": 10.0}],
    ]
    assert [geometry.users.mobility["speed_m_s"] for geometry in found if geometry] == 2 * [
        [1.0, 1.0],
        [9.0, 9.0],
    ]


def test_worlds_of_the_evaluation_may_have_another_model_or_other_parameters() -> None:
    raw = experiment({"path_loss": {"model": "log_distance", "exponent": 2.5}})
    changes = {"path_loss": {"model": "free_space"}, "users": {"height_m": 2.0}}
    raw["evaluation"]["env"] = {"channel": {"geometry": changes}}
    evaluated = parse_experiment(raw, "x.yaml").evaluated_env().channel.geometry
    assert evaluated is not None
    assert evaluated.path_loss == {"model": "free_space"}
    assert evaluated.users.height_m == 2
    changes["path_loss"] = {"exponent": 4.0}
    evaluated = parse_experiment(raw, "x.yaml").evaluated_env().channel.geometry
    assert evaluated is not None
    assert evaluated.path_loss == {"model": "log_distance", "exponent": 4.0}


def test_a_file_of_places_is_found_beside_the_experiment_and_copied_with_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/sites.csv").write_text("x,y\n1,2\n3,4\n5,6\n7,8\n")
    monkeypatch.chdir(tmp_path)
    placement = {"model": "file", "path": "sites.csv"}
    raw = experiment({"experts": {"placement": placement}}, figures=[])
    Path("there/x.yaml").write_text(yaml.safe_dump(raw))
    result = CliRunner().invoke(app, ["run", "there/x.yaml"])
    assert result.exit_code == 0, result.output
    run = tmp_path / "results/x"
    kept = yaml.safe_load((run / "experiment.yaml").read_text())["env"]["channel"]["geometry"]
    assert kept["experts"]["placement"] == {"model": "file", "path": "inputs/sites.csv"}
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=run / "inputs", check=True)
    Path("there/sites.csv").unlink()
    world = World(load_experiment(str(run / "experiment.yaml")).env, seed=0)
    assert world.positions is not None
    assert world.positions.experts[0, :, :2].tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_a_file_of_places_of_a_group_is_copied_and_models_of_groups_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/sites.csv").write_text("x,y\n1,2\n3,4\n")
    monkeypatch.chdir(tmp_path)
    raw = experiment({}, figures=[])
    del raw["env"]["num_experts"]
    raw["env"]["expert_groups"] = {
        "towers": {"count": 2, "placement": {"model": "file", "path": "sites.csv"}},
        "kiosks": {"count": 3, "mobility": {"model": "gauss_markov", "mean_speed_m_s": 2}},
    }
    raw["sweep"] = {"env.expert_groups.kiosks.mobility": [STATIC, {"model": "gauss_markov"}]}
    Path("there/x.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    result = CliRunner().invoke(app, ["run", "there/x.yaml"])
    assert result.exit_code == 0, result.output
    run = tmp_path / "results/x"
    kept = yaml.safe_load((run / "experiment.yaml").read_text())["env"]["expert_groups"]
    assert kept["towers"]["placement"] == {"model": "file", "path": "inputs/sites.csv"}
    Path("there/sites.csv").unlink()
    points = sweep_points(load_experiment(str(run / "experiment.yaml")))
    groups = [point.spec.env.expert_groups or {} for point in points]
    assert [group["kiosks"]["mobility"] for group in groups] == [STATIC, {"model": "gauss_markov"}]
    world = World(points[0].spec.env, seed=0)
    assert world.positions is not None
    assert world.positions.experts[0, :2, :2].tolist() == [[1, 2], [3, 4]]


def test_a_file_that_is_not_there_ends_the_command_in_one_line_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    users = {"placement": {"model": "file", "path": "gone.csv"}, "mobility": STATIC}
    Path("x.yaml").write_text(yaml.safe_dump(experiment({"users": users}, figures=[])))
    result = CliRunner().invoke(app, ["run", "x.yaml"])
    assert result.exit_code == 2
    assert "env.channel.geometry.users.placement: cannot read gone.csv" in result.output
    assert not Path("results").exists()


def test_a_height_that_the_path_loss_is_not_made_for_is_told_by_key_file_and_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sites.csv").write_text("x,y,z\n1,2,10\n3,4,10\n5,6,25\n7,8,10\n")
    experts = {"placement": {"model": "file", "path": "sites.csv"}}
    Path("x.yaml").write_text(yaml.safe_dump(experiment({"experts": experts}, figures=[])))
    result = CliRunner().invoke(app, ["run", "x.yaml", "--dry-run"])
    assert result.exit_code == 2
    said = "".join(result.output.split("\n"))
    assert "env.channel.geometry.experts.placement: " in said
    assert (
        "sites.csv: place 3, [5.0, 6.0, 25.0]: umi_38901 is for heights of experts in m of 10, got "
        "25" in said
    )
    assert "ValueError" not in said
    assert ".py" not in said


def test_a_run_of_users_with_places_ends_with_a_map_and_one_without_does_not(
    tmp_path: Path,
) -> None:
    file = tmp_path / "x.yaml"
    sections = experiment({"users": {"mobility": STATIC}}, seeds=1)
    file.write_text(yaml.safe_dump(sections))
    ran = CliRunner().invoke(app, ["run", str(file), "--out", str(tmp_path / "a")])
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "a" / "x" / "figures" / "map.png").read_bytes().startswith(b"\x89PNG")
    sections["env"]["channel"] = {}
    file.write_text(yaml.safe_dump(sections))
    ran = CliRunner().invoke(app, ["run", str(file), "--out", str(tmp_path / "b")])
    assert ran.exit_code == 0, ran.output
    assert not (tmp_path / "b" / "x" / "figures" / "map.png").exists()
