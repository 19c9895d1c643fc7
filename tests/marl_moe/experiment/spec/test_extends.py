"""An experiment that changes another one, which it names under `extends`."""

from pathlib import Path

import pytest
import yaml

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.sweep import sweep_points

BASE = {
    "name": "base",
    "seeds": 3,
    "env": {"num_users": 5, "experts": {"unit_cost": [0.1, 0.2], "competence": "table.json"}},
    "mechanism": {"name": "budgeted_price", "budget": 4},
    "algorithm": None,
    "evaluation": {"episodes": 7, "policies": ["greedy", "random"]},
    "sweep": {"env.num_users": [1, 2]},
    "figures": ["policies"],
    "sizes": {"smoke": {"seeds": 1}},
}


def write(path: Path, sections: dict[str, object]) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(sections))
    return str(path)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "table.json").write_text('{"competence": [[1.0]]}')
    base = BASE | {"env": BASE["env"] | {"requests": {"num_topics": 1}}}  # type: ignore[operator]
    write(tmp_path / "base.yaml", base)
    return tmp_path


def test_what_is_left_out_is_that_of_the_other_and_what_it_asks_is_not(base: Path) -> None:
    spec = load_experiment(
        write(base / "mine.yaml", {"name": "mine", "extends": "base.yaml", "env": {"num_users": 9}})
    )
    assert (spec.name, spec.seeds, spec.env.num_users) == ("mine", 3, 9)
    assert spec.env.experts.unit_cost == (0.1, 0.2)
    assert spec.mechanism.parameters() == {"name": "budgeted_price", "budget": 4}
    assert (spec.evaluation.episodes, spec.algorithm) == (7, None)
    assert (spec.sweep, spec.figures, spec.sizes) == ({}, [], {})


def test_files_of_the_other_lie_beside_it(base: Path) -> None:
    path = write(base / "studies" / "mine.yaml", {"name": "mine", "extends": "../base.yaml"})
    competence = load_experiment(path).env.experts.competence
    assert competence is not None
    assert Path(competence).samefile(base / "table.json")


def test_a_mechanism_of_a_name_takes_the_place_of_the_others(base: Path) -> None:
    sections = {"name": "mine", "extends": "base.yaml", "mechanism": {"name": "vcg"}}
    assert load_experiment(write(base / "mine.yaml", sections)).mechanism.name == "vcg"
    sections["mechanism"] = {"budget": 6}
    spec = load_experiment(write(base / "mine.yaml", sections))
    assert spec.mechanism.parameters() == {"name": "budgeted_price", "budget": 6}


def test_sizes_sweeps_and_options_change_what_is_extended(base: Path) -> None:
    sections = {
        "name": "mine",
        "extends": "base.yaml",
        "sweep": {"env.num_users": [3, 4]},
        "sizes": {"fast": {"env": {"slot_s": 2.0}}},
    }
    spec = load_experiment(write(base / "mine.yaml", sections), ["env.num_experts=8"], size="fast")
    assert (spec.env.slot_s, spec.env.num_experts, spec.env.num_users) == (2.0, 8, 5)
    assert spec.sweep == {"env.num_users": [3, 4]}


def test_a_shipped_experiment_goes_by_its_name_and_a_written_one_stands_alone(base: Path) -> None:
    spec = load_experiment(
        write(base / "mine.yaml", {"name": "mine", "extends": "reference_world", "seeds": 1})
    )
    shipped = load_experiment("reference_world")
    assert spec.env == shipped.env
    assert spec.evaluation == shipped.evaluation
    (base / "written.yaml").write_text(spec.to_yaml())
    assert "extends" not in spec.to_yaml()
    assert load_experiment(str(base / "written.yaml")) == spec


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ("bass.yaml", "extends: bass.yaml: no such file"),
        ("reference_wrld", "did you mean 'reference_world'"),
        (3, "extends: should be a file, or a shipped experiment's name"),
        ("other.yaml", r"extends: .*other.yaml extends another experiment itself"),
    ],
)
def test_what_cannot_be_extended_is_told(base: Path, extends: object, message: str) -> None:
    write(base / "other.yaml", {"name": "other", "extends": "base.yaml"})
    with pytest.raises(SpecError, match=message):
        load_experiment(write(base / "mine.yaml", {"name": "mine", "extends": extends}))


def test_groups_count_the_agents_whatever_their_number_was_in_the_other(base: Path) -> None:
    groups = {"a": {"count": 3}, "b": {"count": 4, "deadline_s": {"each": [1, 2, 3, 4]}}}
    sections = {"name": "mine", "extends": "base.yaml", "env": {"user_groups": groups}}
    sections["sweep"] = {"env.user_groups.a.deadline_s": [2, [1, 3], {"each": [1, 2, 3]}]}
    spec = load_experiment(write(base / "mine.yaml", sections))
    assert (spec.env.num_users, spec.env.num_experts) == (7, 30)
    points = [point.spec.env.bounds["deadline_s"] for point in sweep_points(spec)]
    assert [point.low[:3].tolist() for point in points] == [[2, 2, 2], [1, 1, 1], [1, 2, 3]]
    assert points[1].high[:3].tolist() == [3, 3, 3]


def test_policies_of_users_one_by_one_are_refused_in_an_evaluation_of_others(base: Path) -> None:
    sections = {
        "name": "mine",
        "extends": "base.yaml",
        "algorithm": {"name": "sac", "policies": "independent"},
        "evaluation": {"env": {"num_users": 6}},
    }
    with pytest.raises(SpecError, match=r"evaluation\.env: has 6 users, and .* are of 5"):
        load_experiment(write(base / "mine.yaml", sections))
