"""Entries of `evaluation.policies`, as the YAML gives them and as they are written down again."""

from typing import Any

import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.reading import parse_experiment


def parse(*entries: Any, **sections: Any) -> ExperimentSpec:
    experiment = {"name": "x", "evaluation": {"policies": list(entries)}}
    return parse_experiment(experiment | sections, "x.yaml")


def refusal(*entries: Any, **sections: Any) -> str:
    with pytest.raises(SpecError) as refused:
        parse(*entries, **sections)
    return str(refused.value)


def test_each_kind_of_entry_is_written_down_as_it_is_read_again() -> None:
    spec = parse(
        "greedy",
        {"name": "better_response", "response_probability": 0.2, "as": "Better, 0.2"},
        {"run": "results/free", "policy": "sac", "seed": 3, "point": "a=1", "as": "SAC, free"},
        {"run": "results/free", "policy": "ppo"},
        {"import": "mine.py:TwoChoices", "theta": 0.3},
        {"import": "package.module:RLPolicy", "as": "Mine"},
    )
    assert [entry.shown_as for entry in spec.evaluation.policies] == [
        *("greedy", "Better, 0.2", "SAC, free", "ppo", "two_choices", "Mine")
    ]
    written = spec.as_dict()["evaluation"]["policies"]
    assert written[0] == "greedy"
    assert written[1] == {
        "name": "better_response",
        "response_probability": 0.2,
        "as": "Better, 0.2",
    }
    assert written[4] == {"import": "mine.py:TwoChoices", "theta": 0.3, "as": "two_choices"}
    assert parse_experiment(spec.as_dict(), "again") == spec


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("gredy", "evaluation.policies.0: unknown 'gredy'; did you mean 'greedy'?"),
        ({"name": "gredy"}, "did you mean 'greedy'?"),
        (
            {"name": "better_response", "response_prob": 0.2},
            "policy 'better_response' has no parameter 'response_prob'; did you mean "
            "'response_probability'?",
        ),
        ({"name": "random", "rng": 3}, "rng is its generator, which the seed decides"),
        (3, "should be the name of a policy, or hold one of the keys name, run, import and users"),
        ({"nam": "greedy"}, "hold one of the keys name, run, import and users"),
        ({"name": "greedy", "run": "x"}, "hold one of the keys name, run, import and users"),
        ({"run": "x"}, "evaluation.policies.0.policy: Field required"),
        ({"run": "x", "policy": "sac", "sed": 1}, "unknown 'sed'; did you mean 'seed'?"),
        ({"run": "x", "policy": "sac", "seed": -1}, "evaluation.policies.0.seed"),
        ({"import": "mine.py"}, "should read FILE.py:CLASS or package.module:CLASS"),
        ({"import": "../mine.py:Mine"}, "should read FILE.py:CLASS or package.module:CLASS"),
        ({"import": "mine.py:Mine", "as": "greedy"}, "'greedy' is the name of another policy"),
        ({"name": "nash", "as": "NE"}, "nash keeps its name, by which it is known as a yardstick"),
        ({"name": "greedy", "as": " "}, "evaluation.policies.0.as"),
    ],
)
def test_a_mistake_in_an_entry_is_named_with_what_would_be_right(entry: Any, told: str) -> None:
    assert told in refusal(entry)


def test_two_policies_of_one_name_are_refused() -> None:
    assert "'greedy' is listed twice; leave one out" in refusal("greedy", "greedy")
    two = "cooperative", {"name": "cooperative", "slots": 50}
    assert "'cooperative' is listed twice; leave one out" in refusal(*two)
    both = [{"run": run, "policy": "ppo"} for run in ("a", "b")]
    assert "another policy is named 'ppo' too; give each a name by 'as'" in refusal(*both)


@pytest.mark.parametrize("name", ["sac", "sac_stochastic"])
def test_the_name_of_the_learned_policy_is_its_own(name: str) -> None:
    entry = {"run": "a", "policy": "sac", "as": name}
    assert f"the learned policy is named {name!r} too" in refusal(entry)
    assert parse(entry, algorithm=None).evaluation.policies[0].shown_as == name


def test_entries_can_be_swept() -> None:
    from marl_moe.experiment.spec.sweep import sweep_points

    swept = [{"label": "a", "policies": ["random", {"name": "greedy", "as": "Greedy A"}]}]
    points = sweep_points(parse(sweep={"evaluation": swept}))
    assert [entry.shown_as for entry in points[0].spec.evaluation.policies] == [
        *("random", "Greedy A")
    ]
