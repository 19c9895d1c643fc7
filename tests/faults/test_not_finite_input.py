"""NaN and infinity in a user's input: actions, prices of an own mechanism, every YAML section."""

import json
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

import mechanisms
from envs import World, WorldConfig, edge_experts_v0
from marl_moe.experiment.spec.experiment import ExperimentSpec
from mechanisms import Market, MechanismError, Outcome

from .command import complaint, marl_moe

pytestmark = pytest.mark.faults
NOT_FINITE = [nan, inf, -inf]
PRICED = WorldConfig(num_users=3, num_experts=5, episode_slots=20)


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("kind", [float, np.int64])
def test_an_action_that_is_not_finite_is_refused_and_the_world_stays_as_it_was(
    value: float, kind: type
) -> None:
    """NaN as an integer is the least of them all."""
    world = World(PRICED, num_worlds=2, seed=0)
    before = world.slot.observation.copy()
    actions = np.zeros((2, 3))
    actions[1, 2] = value
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="actions should"):
        world.step(actions.astype(kind))
    assert world.slot.index == 0
    assert np.array_equal(world.slot.observation, before)

    env = edge_experts_v0.parallel_env(config=PRICED)
    env.reset(seed=0)
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="actions should"):
        env.step(dict.fromkeys(env.agents, actions.astype(kind)[1, 2]))
    assert env.world.slot.index == 0


class Broken:
    """A posted price that goes wrong in its last expert from the clearing of that number on."""

    name, allocates = "broken", False

    def __init__(self, value: float, clearing: int) -> None:
        self.inner, self.value, self.left = mechanisms.make("posted_price"), value, clearing

    def clear(self, market: Market) -> Outcome:
        outcome = self.inner.clear(market)
        self.left -= 1
        if self.left >= 0:
            return outcome
        price = outcome.unit_price.copy()
        price[..., -1] = self.value
        return replace(outcome, unit_price=price)


@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_price_that_is_not_finite_is_a_failed_clearing_and_the_last_prices_stand(
    value: float,
) -> None:
    world = World(PRICED, num_worlds=2, seed=0, mechanism=Broken(value, clearing=1))
    first, statuses = world.slot.offer.unit_price.copy(), []
    while not world.done:
        _, reward, result = world.step(np.zeros((2, 3), np.int64))
        assert np.isfinite(reward).all()
        assert result.charge.sum() == pytest.approx(
            result.payment.sum() + result.platform_balance.sum(), abs=1e-9
        )
        clearing = world.closed_clearing
        if clearing is not None:
            statuses.append(clearing.status)
            assert np.array_equal(clearing.unit_price, first)
    assert statuses[0] == "closed_form"
    assert set(statuses[1:]) == {"failed: broken: unit_price[0, 4] is not finite"}


def test_without_a_price_before_it_there_is_no_world() -> None:
    with pytest.raises(MechanismError, match=r"broken: unit_price\[0, 4\] is not finite"):
        World(PRICED, seed=0, mechanism=Broken(nan, clearing=0))


NUMBERS = {  # a number of each section, and of each that takes any keys
    "seeds": "seeds",
    "env": "env.channel.bandwidth_hz",
    "mechanism": "mechanism.price",
    "algorithm": "algorithm.training.gamma",
    "evaluation": "evaluation.env.slot_s",
    "audit": "audit.misreports",
    "cluster": "cluster.max_concurrent_trials",
    "sweep": "sweep.env.num_users",
    "sizes": "sizes.fast.env.slot_s",
}


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e999"])
@pytest.mark.parametrize("key", NUMBERS.values())
def test_a_yaml_and_a_setting_that_are_not_finite_are_refused_by_their_key(
    tmp_path: Path, source: Path, key: str, value: str
) -> None:
    given = f"[{value}]" if key.startswith("sweep") else value
    set_ = complaint(
        marl_moe("run", source, "--out", tmp_path / "out", "--set", f"{key}={given}"), 2
    )
    assert set_.startswith(f"{source}: {key}: should be a finite number, got")
    file = tmp_path / "experiment.yaml"
    *sections, last = key.split(".")
    nested = "name: x\n"
    for depth, section in enumerate(sections):
        nested += f"{'  ' * depth}{section}:\n"
    file.write_text(f"{nested}{'  ' * len(sections)}{last}: {given}\n")
    line = complaint(marl_moe("run", file, "--out", tmp_path / "out"), 2)
    assert line.startswith(f"{file}: {key}: should be a finite number, got")
    assert not (tmp_path / "out").exists()


def test_every_section_with_numbers_is_tried() -> None:
    assert set(NUMBERS) == set(ExperimentSpec.model_fields) - {"name", "kind", "figures"}


@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_measured_competence_that_is_not_finite_is_refused_by_its_file(
    tmp_path: Path, source: Path, value: float
) -> None:
    file = tmp_path / "measured.json"
    cells = [[1.0, 0.2], [0.3, value]]
    file.write_text(
        json.dumps({"topics": ["a", "b"], "competence": cells, "sd": cells, "n": [[3, 3], [3, 3]]})
    )
    settings = ["--set", f"env.experts.competence={file}"]
    line = complaint(marl_moe("run", source, "--out", tmp_path / "out", *settings), 2)
    assert str(file) in line
    assert not (tmp_path / "out").exists()
