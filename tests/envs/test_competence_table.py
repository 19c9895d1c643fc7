"""Measured tables of competence with named rows: kinds of experts by topics."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from envs import World, WorldConfig
from envs.competence_table import load_competence
from envs.prospects import right_type

ROWS = ["low", "high"]
TABLE = [[1.0, 0.8, 0.2], [0.1, 0.7, 1.1]]  # of three topics


def config(folder: Path, told: object, **env: Any) -> WorldConfig:
    path = folder / "table.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    plain = {"requests": {"num_topics": 3}, "experts": {"competence": str(path)}}
    return read(plain | env | {"experts": plain["experts"] | env.get("experts", {})})


def read(env: dict[str, Any]) -> WorldConfig:
    found: WorldConfig = TypeAdapter(WorldConfig).validate_json(json.dumps(env), strict=True)
    return found


NAMED = {"rows": ROWS, "competence": TABLE}
GROUPS = {
    "weak": {"count": 2, "competence_row": "low", "topics": [0, 1]},
    "strong": {"count": 1, "competence_row": "high", "topics": [1, 2]},
    "any": {"count": 1, "competence_row": "high"},
}


def test_experts_of_a_group_have_the_row_that_it_names_also_when_more_are_added(
    tmp_path: Path,
) -> None:
    world = World(config(tmp_path, NAMED, expert_groups=GROUPS), num_worlds=2, seed=0)
    rows = [0, 0, 1, 1]
    assert (world.pool.competence == np.array(TABLE)[rows]).all()
    world.add_experts(4)
    assert (world.pool.competence == np.array(TABLE)[rows * 2]).all()


def test_the_section_names_the_row_of_experts_whose_group_names_none(tmp_path: Path) -> None:
    groups = {"one": {"count": 1}, "two": {"count": 1, "competence_row": "low"}}
    experts = {"competence_row": "high"}
    world = World(config(tmp_path, NAMED, expert_groups=groups, experts=experts), seed=0)
    assert world.pool.competence[0].tolist() == [TABLE[1], TABLE[0]]


def test_a_type_is_of_all_topics_that_the_group_of_a_row_lists(tmp_path: Path) -> None:
    own = config(tmp_path, NAMED, expert_groups=GROUPS).own_topics
    assert own.astype(int).tolist() == [[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]]


def test_users_who_know_types_alone_expect_the_mean_over_what_types_are_of(tmp_path: Path) -> None:
    env = {"num_users": 6, "information": "type", "expert_groups": GROUPS}
    world = World(config(tmp_path, NAMED, **env), num_worlds=3, seed=1)
    mine = [(0, 0), (0, 1), (0, 0), (0, 1), (1, 1), (1, 2), (1, 0), (1, 1), (1, 2)]
    others = [(0, 2), (0, 2), (1, 0)]
    own, other = (np.mean([TABLE[row][topic] for row, topic in of]) for of in (mine, others))
    topic = world.requests.subtasks.topic
    matches = np.stack([topic <= 1, topic <= 1, topic >= 1, topic >= 0], axis=-1)
    assert (right_type(world.slot.conditions) == matches).all()
    expected = np.where(matches, own, other)
    np.testing.assert_allclose(world.slot.expected_competence, expected, rtol=1e-6)


def test_a_square_table_whose_rows_are_named_and_taken_in_turn_is_the_one_without_names(
    tmp_path: Path,
) -> None:
    table = [[1.0, 0.2, 0.3], [0.4, 0.9, -0.1], [0.0, 0.5, 1.2]]
    names = ["a", "b", "c"]
    groups: dict[str, Any] = {
        name: {"count": 1, "competence_row": name, "topics": [m]} for m, name in enumerate(names)
    }
    played = []
    for told, given in (
        ({"competence": table}, {}),
        ({"rows": names, "competence": table}, groups),
    ):
        env: dict[str, Any] = {"num_users": 4, "num_experts": 6, "information": "type"}
        env |= {"expert_groups": given} if given else {}
        world = World(config(tmp_path, told, **env), num_worlds=2, seed=3)
        for _ in range(4):
            _, _, result = world.step(world.slot.expected_gain().argmax(axis=-1))
            played += [world.slot.expected_competence, result.gain]
    for plain, named in zip(played[:8], played[8:], strict=True):
        assert (plain == named).all()


def test_a_state_is_restored_with_its_rows(tmp_path: Path) -> None:
    env = {"num_users": 3, "information": "type", "expert_groups": GROUPS}
    world = World(config(tmp_path, NAMED, **env), seed=0)
    other = World(config(tmp_path, NAMED, **env), seed=1)
    other.set_state(world.get_state())
    assert (other.slot.observation == world.slot.observation).all()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"rows": ROWS, "competence": TABLE[:1]}, r"2 x 3 finite numbers, and has 1 rows of 3"),
        ({"rows": ROWS, "competence": [[1], [2]]}, r"2 x 3 finite numbers, and has 2 rows of 1"),
        ({"competence": TABLE}, r"3 x 3 finite numbers, and has 2 rows of 3"),
        ({"rows": ROWS}, r'\{"competence": .*\} and "rows": \[NAME, \.\.\.\], a table of 2 x 3'),
        ({"rows": ["low", "low"], "competence": TABLE}, "'rows' of .* each another"),
        ({"rows": ["low", ""], "competence": TABLE}, "'rows' of .* list of names"),
        ({"rows": ["low", 1], "competence": TABLE}, "'rows' of .* list of names"),
        ({"rows": {"low": 0}, "competence": TABLE}, "'rows' of .* list of names"),
        ({"rows": None, "competence": TABLE}, "'rows' of .* got null"),
        ({"rows": ROWS, "competence": [[1, 2, 3], [4, 5, float("inf")]]}, "2 x 3 finite numbers"),
    ],
)
def test_a_wrong_table_is_refused_with_its_file_and_shape(
    tmp_path: Path, told: object, says: str
) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ValueError, match=says) as caught:
        load_competence(str(path), 3)
    assert str(path) in str(caught.value)
    assert str(caught.value).startswith("env.experts.competence: ")


def test_rows_may_be_an_empty_list_which_names_none(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"rows": [], "competence": [[1.0]]}), encoding="utf-8")
    assert load_competence(str(path), 1).competence.tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("told", "experts", "says"),
    [
        (NAMED, {"competence_row": "lo"}, r"no row 'lo' in .*table\.json: .*'?low"),
        (NAMED, {}, r"should name a row of .*table\.json for every expert, one of low, high"),
        ({"competence": [[1] * 3] * 3}, {"competence_row": "low"}, r"table\.json: names none"),
    ],
)
def test_an_expert_without_a_row_of_the_table_is_refused_when_the_world_is_built(
    tmp_path: Path, told: object, experts: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        World(config(tmp_path, told, experts=experts), seed=0)
    assert "competence_row" in str(caught.value)


def test_a_topic_that_there_is_not_is_refused_also_where_no_expert_is_listed_under_it(
    tmp_path: Path,
) -> None:
    groups = {"a": {"count": 1, "competence_row": "low", "topics": [0, 3]}}
    with pytest.raises(ValidationError, match=r"topics of experts should lie in 0\.\.2 .*, got 3"):
        config(tmp_path, NAMED, expert_groups=groups)


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"experts": {"competence_row": "low"}}, "experts.competence_row has no effect without"),
        (
            {"expert_groups": {"a": {"count": 1, "competence_row": "low"}}},
            "expert_groups.a.competence_row has no effect without experts.competence",
        ),
        ({"experts": {"competence_row": ""}}, "at least 1 character"),
        ({"experts": {"competence_row": 1}}, "valid string"),
        ({"experts": {"competence_row": ["low"]}}, "valid string"),
        ({"user_groups": {"a": {"count": 1, "competence_row": "low"}}}, "unknown 'competence_row'"),
        (
            {"expert_groups": {"a": {"count": 1, "topics": [0, 1]}}},
            "has 2 topics, and the group 1 to take them in turn",
        ),
    ],
)
def test_rows_that_have_no_effect_or_are_no_names_are_refused(
    env: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        read(env)
