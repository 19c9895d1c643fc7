"""The four steps on a prompt: what is transferred, what arrives, what a failure costs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, Slot, WorldConfig
from marl_moe.experiment.study.evaluation import make_heuristic
from marl_moe.text.backends.embedding_judge import EmbeddingJudge
from marl_moe.text.backends.experts import Answer, ExpertError
from marl_moe.text.backends.fusion import Joined
from marl_moe.text.backends.phrase_experts import PhraseExpert
from marl_moe.text.bank import Bank
from marl_moe.text.clauses import words_of
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import load_gate
from marl_moe.text.pipeline import Pipeline

PROMPT = (
    "A sailor with a scarred face walks down the pier. Rain hammers the boats; grief overtakes "
    "her. She discovers that the map was a forgery, and cliffs rise out of the sea. They argue "
    "about the letter in whispers."
)
WORLD = WorldConfig(num_users=3, requests=RequestConfig(num_transferred=1))


class Telling:
    """An expert that tells its name and keeps what was requested, and fails where it is told to."""

    def __init__(self, where: str, topic: str, fails: bool = False) -> None:
        self.topic, self.where, self.fails = topic, where, fails
        self.requested: list[tuple[str, int]] = []

    def generate(self, subtask: str, words: int) -> Answer:
        self.requested.append((subtask, words))
        if self.fails:
            raise ExpertError(f"expert {self.topic}: nobody home")
        return Answer(f"{self.where} {self.topic} on {subtask}.", 5, 0.0)


class FirstOfTopic:
    """Every user takes the first expert of its topic."""

    name = "first_of_topic"

    def act(self, slot: Slot) -> np.ndarray:
        return slot.conditions.subtasks.topic


@pytest.fixture
def make(embedding: Embedding, banks: tuple[Bank, ...]) -> Callable[..., Pipeline]:
    def pipeline(**parts: object) -> Pipeline:
        own = {
            "gate": load_gate(),
            "embedding": embedding,
            "device": [Telling("device", bank.topic) for bank in banks],
            "edge": [Telling("edge", bank.topic) for bank in banks],
            "fusion": Joined(),
            "judge": EmbeddingJudge(embedding),
            "world": WORLD,
            "mechanism": mechanisms.make("none"),
            "policy": FirstOfTopic(),
        }
        return Pipeline(**{**own, **parts})

    return pipeline


def test_the_device_keeps_the_most_weight_for_its_compute_and_the_rest_goes_to_the_edge(
    make: Callable[..., Pipeline],
) -> None:
    result = make().run(PROMPT, local_compute=2.0)
    subtasks = result.request.subtasks
    assert len(subtasks) == 6
    value = [subtask.weight / subtask.compute_need for subtask in subtasks]
    assert [value[number] for number in result.order] == sorted(value, reverse=True)
    spent = np.cumsum([subtasks[number].compute_need for number in result.order])
    stayed = {number for number, total in zip(result.order, spent, strict=True) if total <= 2.0}
    assert {
        number for number, transfer in enumerate(result.transfers) if transfer is None
    } == stayed
    assert 0 < len(stayed) < 6
    for number, answer in enumerate(result.answers):
        assert answer is not None
        assert answer.text.startswith("device" if number in stayed else "edge")


def test_the_text_keeps_the_order_of_the_prompt_and_stands_beside_all_local_and_dropped(
    make: Callable[..., Pipeline],
) -> None:
    result = make().run(PROMPT, local_compute=2.0)
    topics = [load_gate().topics[subtask.topic] for subtask in result.request.subtasks]
    where = ["device" if transfer is None else "edge" for transfer in result.transfers]
    lines = [
        f"{w} {t} on {s.clause}."
        for w, t, s in zip(where, topics, result.request.subtasks, strict=True)
    ]
    assert result.integrated.text.split("\n\n") == lines
    assert result.all_local.text.split("\n\n") == [
        line.replace("edge", "device", 1) for line in lines
    ]
    assert result.dropped.text.split("\n\n") == [
        line for line in lines if line.startswith("device")
    ]
    assert result.dropped.score.points < result.all_local.score.points


def test_a_device_that_affords_everything_transfers_nothing(make: Callable[..., Pipeline]) -> None:
    result = make().run(PROMPT, local_compute=100)
    assert result.transfers == (None,) * 6
    assert result.integrated == result.all_local == result.dropped


def test_a_device_without_compute_transfers_everything_slot_by_slot(
    make: Callable[..., Pipeline],
) -> None:
    result = make().run(PROMPT, local_compute=0)
    slots = [transfer.slot for transfer in result.transfers if transfer]
    assert slots == list(range(slots[0], slots[0] + 6))
    assert result.dropped.text == ""
    assert result.dropped.score.points == 0


def test_the_device_has_three_quarters_of_a_unit_a_subtask_unless_told(
    make: Callable[..., Pipeline],
) -> None:
    assert make().run(PROMPT).local_compute == pytest.approx(0.75 * 6)


def test_an_edge_device_writes_as_much_as_the_effort_that_was_bought(
    make: Callable[..., Pipeline], banks: tuple[Bank, ...]
) -> None:
    """On a wide band, in no time, effort is that at which a point's price is its marginal cost.

    A subtask of weight g of 6 is worth 6 g a price, its work costs (0.1 + x) W c / 200.
    """
    world = replace(
        WORLD,
        channel=ChannelConfig(bandwidth_hz=1e6),
        experts=ExpertConfig(unit_cost=(0.1, 0.1), cost_slope=(1.0, 1.0), words_per_second=None),
    )
    edge = [Telling("edge", bank.topic) for bank in banks]
    pipeline = make(world=world, mechanism=mechanisms.make("posted_price", price=0.25), edge=edge)
    result = pipeline.run(PROMPT, local_compute=0)
    for subtask, transfer in zip(result.request.subtasks, result.transfers, strict=True):
        assert transfer is not None
        revenue = 0.25 * 6 * subtask.weight * transfer.competence
        effort = revenue / (subtask.words * subtask.compute_need / 200) - 0.1
        assert 0 < effort < 1
        assert transfer.effort == pytest.approx(effort, rel=1e-5)
        assert (subtask.clause, max(1, round(effort * subtask.words))) in edge[
            subtask.topic
        ].requested


def test_an_edge_expert_that_fails_costs_its_subtask_and_not_the_request(
    make: Callable[..., Pipeline], banks: tuple[Bank, ...]
) -> None:
    edge = [Telling("edge", bank.topic, fails=bank.topic == "weather") for bank in banks]
    result = make(edge=edge).run(PROMPT, local_compute=0)
    assert [failure for failure in result.failures if failure] == ["expert weather: nobody home"]
    lost = result.failures.index("expert weather: nobody home")
    assert result.answers[lost] is None
    assert sum(answer is not None for answer in result.answers) == 5
    assert "weather" not in result.integrated.text


def test_a_device_that_fails_costs_the_request(
    make: Callable[..., Pipeline], banks: tuple[Bank, ...]
) -> None:
    device = [Telling("device", bank.topic, fails=bank.topic == "weather") for bank in banks]
    with pytest.raises(ExpertError, match="expert weather: nobody home"):
        make(device=device).run(PROMPT)


def test_an_answer_without_a_word_is_not_served(
    make: Callable[..., Pipeline], banks: tuple[Bank, ...]
) -> None:
    class Mute(Telling):
        def generate(self, subtask: str, words: int) -> Answer:
            return Answer("... 👍", 0, 0.0)

    mute = [Mute("edge", bank.topic) for bank in banks]
    result = make(edge=mute).run(PROMPT, local_compute=0)
    assert result.answers == (None,) * 6
    assert "expert weather: an answer without a word" in result.failures
    with pytest.raises(ExpertError, match="an answer without a word"):
        make(device=mute).run(PROMPT)


def test_what_the_policy_abandons_is_dropped(make: Callable[..., Pipeline]) -> None:
    result = make(policy=make_heuristic("abandon", 0)).run(PROMPT, local_compute=2.0)
    assert result.integrated == result.dropped
    assert all(transfer is None or transfer.expert is None for transfer in result.transfers)


def test_a_subtask_that_a_full_expert_rejects_gets_no_answer(make: Callable[..., Pipeline]) -> None:
    class Crowd(FirstOfTopic):
        """Every user chooses expert 0, which serves one."""

        def act(self, slot: Slot) -> np.ndarray:
            return np.zeros((1, slot.num_users), int)

    world = replace(WORLD, num_users=20, experts=ExpertConfig(max_concurrent=1))
    result = make(world=world, policy=Crowd()).run(PROMPT, local_compute=0)
    served = [transfer is not None and transfer.served for transfer in result.transfers]
    assert sum(served) < 6
    assert [answer is not None for answer in result.answers] == served
    assert result.failures == (None,) * 6


def test_experts_of_the_right_topic_recover_more_than_those_of_the_wrong(
    make: Callable[..., Pipeline], embedding: Embedding, banks: tuple[Bank, ...]
) -> None:
    class Wrong(FirstOfTopic):
        def act(self, slot: Slot) -> np.ndarray:
            return (slot.conditions.subtasks.topic + 1) % 6

    experts = [PhraseExpert(bank, embedding) for bank in banks]
    right, wrong = (
        make(device=experts, edge=experts, policy=policy).run(PROMPT, local_compute=2.0)
        for policy in (FirstOfTopic(), Wrong())
    )
    assert right.integrated == right.all_local
    assert right.integrated.score.points > wrong.integrated.score.points
    assert right.integrated.score.points > right.dropped.score.points
    assert len(words_of(right.integrated.text)) <= sum(
        subtask.words for subtask in right.request.subtasks
    )


def test_everything_repeats_under_a_seed_and_another_seed_is_another_world(
    make: Callable[..., Pipeline],
) -> None:
    policy = make_heuristic("greedy", 0)
    first, again, other = (
        make(policy=policy, seed=seed).run(PROMPT, local_compute=0) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.transfers != other.transfers


def test_steps_are_told_as_they_come(make: Callable[..., Pipeline]) -> None:
    steps: list[str] = []
    make(on_step=steps.append).run(PROMPT, local_compute=2.0)
    assert steps[0] == "decomposition"
    assert any(step.startswith("edge device") for step in steps)
    assert steps[-1] == "integration and verdict"


def test_experts_for_other_topics_than_the_gates_are_refused(make: Callable[..., Pipeline]) -> None:
    with pytest.raises(ValueError, match=r"the gate knows 6 topics .*env\.requests\.num_topics 4"):
        make(world=replace(WORLD, requests=RequestConfig(num_topics=4)))
