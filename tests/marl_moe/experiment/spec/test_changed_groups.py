"""Groups that options and sweeps change: those of the experiment, and no others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.sweep import sweep_points

Yaml = dict[str, Any]
Write = Callable[[Yaml | str], Path]
GROUPED: Yaml = {
    "name": "x",
    "algorithm": None,
    "env": {
        "user_groups": {"walkers": {"count": 2}, "cars": {"count": 1}},
        "episode_slots": 3,
    },
    "evaluation": {"episodes": 1, "policies": ["greedy"]},
}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("env.user_groups.walker.count=3", "no group 'walker'; did you mean 'walkers'? Valid"),
        ("env.user_groups.walker={count: 3}", "no group 'walker'; did you mean 'walkers'?"),
        ("evaluation.env.user_groups.walker.count=3", "no group 'walker'; did you mean"),
        ("env.expert_groups.small.count=3", "there are no env.expert_groups; give all of them"),
        (
            "env.user_groups.walkers=null",
            "env.user_groups.walkers: null takes no group away: give user_groups with those that",
        ),
        ("env.user_groups.walkers=2", "env.user_groups.walkers: should be a section {key: value"),
    ],
)
def test_an_option_makes_no_group_and_takes_none_away(
    write_experiment: Write, override: str, message: str
) -> None:
    with pytest.raises(SpecError) as error:
        load_experiment(str(write_experiment(GROUPED)), [override])
    assert message in str(error.value)


@pytest.mark.parametrize(
    "sweep",
    [
        {"env.user_groups.walker.count": [1, 2]},
        {"env": {"user_groups": {"walker": {"count": [1, 2]}}}},
        {"env.user_groups": [{"walker": {"count": 2}}]},
        [{"env.user_groups.walker.count": 2}],
    ],
)
def test_a_sweep_makes_no_group(write_experiment: Write, sweep: Any) -> None:
    spec = load_experiment(str(write_experiment(GROUPED | {"sweep": sweep})))
    with pytest.raises(SpecError, match="no group 'walker'; did you mean 'walkers'"):
        sweep_points(spec)


def test_groups_that_there_are_may_be_changed_and_all_of_them_given(
    write_experiment: Write,
) -> None:
    file = str(write_experiment(GROUPED))
    assert load_experiment(file, ["env.user_groups.walkers.count=5"]).env.num_users == 6
    assert load_experiment(file, ["env.user_groups={bikes: {count: 4}}"]).env.num_users == 4
    given = "env.expert_groups={small: {count: 7}}"
    assert load_experiment(file, [given]).env.num_experts == 7
    sweep = [
        {"env.num_experts": number, "env.expert_groups": {name: {"count": number}}}
        for name, number in (("small", 7), ("large", 8))
    ]
    points = sweep_points(load_experiment(str(write_experiment(GROUPED | {"sweep": sweep}))))
    assert [point.spec.env.num_experts for point in points] == [7, 8]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("env.quality.deadline_s={each: []}", "deadline_s.each: should have at least 1 entry, got"),
        ("env.quality.deadline_s={each: 3}", "deadline_s.each: should be a list, such as [3, 3]"),
        (
            "env.experts.own_competence={each: [1, 2]}",
            "own_competence: should be a number or a range [low, high]",
        ),
        ("env.channel.snr_db=[1, 2, 3]", "snr_db: should have at most 2 entries, got [1, 2, 3]"),
    ],
)
def test_a_list_that_is_none_is_answered_with_what_would_be_right(
    write_experiment: Write, override: str, message: str
) -> None:
    with pytest.raises(SpecError) as error:
        load_experiment(str(write_experiment(GROUPED)), [override])
    assert message in str(error.value)
