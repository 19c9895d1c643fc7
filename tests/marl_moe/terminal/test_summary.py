import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from marl_moe.experiment.records.columns import EVALUATION
from marl_moe.terminal.summary import lost_line, summary_table


def printed(evaluation: pd.DataFrame) -> str:
    console = Console(width=200, markup=False)
    with console.capture() as capture:
        console.print(summary_table("study", evaluation))
    return capture.get()


@pytest.mark.parametrize("num_seeds", [1, 4])
def test_the_interval_is_over_seeds_and_one_seed_has_its_mean_alone(
    num_seeds: int,
) -> None:
    utility = np.random.default_rng(0).normal(42, 1, (num_seeds, 25))
    seed, episode = np.indices(utility.shape)
    nothing = dict.fromkeys(EVALUATION, 0.0) | {"point": "", "settings": "{}", "policy": "sac"}
    evaluation = pd.DataFrame(
        {"seed": seed.ravel(), "episode": episode.ravel(), "utility": utility.ravel()}
    )
    text = printed(
        evaluation.assign(
            **{name: value for name, value in nothing.items() if name not in evaluation}
        )
    )
    if num_seeds == 1:
        assert "study: mean; one seed: no interval" in text
        assert f" {utility.mean():.3f} │" in text
        assert "[" not in text
        return
    sample = utility.mean(axis=1)
    low, high = stats.t.interval(0.95, len(sample) - 1, loc=sample.mean(), scale=stats.sem(sample))
    assert f"{utility.mean():.3f} [{low:.3f}, {high:.3f}]" in text
    assert "study: mean [95% interval, 4 seeds]" in text


def rows(**columns: object) -> pd.DataFrame:
    """Return two episodes of a policy and seed, with 0 in every other column."""
    parts = [
        pd.DataFrame({"policy": policy, "seed": seed, "episode": [0, 1]})
        for policy in ("sac", "random")
        for seed in (0, 1)
    ]
    frame = pd.concat(parts, ignore_index=True)
    nothing = {name: 0.0 for name in EVALUATION if name not in frame}
    return frame.assign(**(nothing | {"point": "", "settings": "{}"} | columns))


def test_without_a_completed_request_the_greatest_gain_comes_first() -> None:
    evaluation = rows(utility=np.nan)
    evaluation["gain"] = np.where(evaluation["policy"] == "random", 2.0, 1.0)
    text = printed(evaluation)
    assert text.index("random") < text.index("sac")
    assert "2.000 [2.000, 2.000]" in text


def test_no_value_at_all_is_a_table_too() -> None:
    everything = dict.fromkeys(("utility", "gain", "share_of_equilibrium", "share_of_optimum"))
    assert "random" in printed(rows(**dict.fromkeys(everything, np.nan)))


def test_one_episode_has_a_mean_without_an_interval() -> None:
    evaluation = rows(gain=1.5, utility=3.0).query("seed == 0 and episode == 0")
    assert "1.500 │" in printed(evaluation)
    assert "nan" not in printed(evaluation)


def test_lost_slots_are_told_with_those_that_were_due() -> None:
    training = pd.DataFrame({"point": "", "seed": [0, 0, 1, 1], "env_steps": [90, 190, 100, 200]})
    assert lost_line(training.assign(lost_slots=[10.0, 0.0, 0.0, 0.0])) == (
        "10 of 400 slots in 1 epochs: env runners were dead or silent (lost_slots)"
    )
    assert lost_line(training.assign(lost_slots=0.0)) is None
    assert lost_line(training.assign(lost_slots=np.nan)) is None
