"""The gate is a softmax, comes with the weights of its fit, and routes texts it never saw."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_fscore_support

from marl_moe.text.bank import BANKS, Bank, load_banks
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import SHIPPED, Gate, GateError, fit_gate, load_gate
from marl_moe.text.gate_report import GateReport, report, upgrade


@pytest.fixture(scope="module")
def gate() -> Gate:
    return load_gate()


def axes(*topics: str) -> Gate:
    """A gate whose prototypes are the first axes, of different lengths."""
    return Gate(topics, torch.eye(len(topics), 384) * torch.arange(1.0, len(topics) + 1)[:, None])


def test_the_gate_is_a_softmax_of_cosines() -> None:
    text = torch.nn.functional.normalize(
        torch.tensor([[0.3, 0.1, 0.0] + [0.1] * 381, [0.0, 0.0, 1.0] + [0.0] * 381]), dim=-1
    )
    routing = axes("a", "b", "c").route(text, k=2)
    cosine = text[:, :3].numpy()
    weight = np.exp(cosine / 0.05) / np.exp(cosine / 0.05).sum(axis=1, keepdims=True)
    assert routing.topic.tolist() == [[0, 1], [2, 0]]
    np.testing.assert_allclose(
        routing.probability.numpy(), np.take_along_axis(weight, routing.topic.numpy(), 1), rtol=1e-5
    )
    assert routing.known.tolist() == [cosine[0].max() >= 0.18, True]


def test_all_topics_together_have_all_the_weight(
    gate: Gate, embedding: Embedding, banks: tuple[Bank, ...]
) -> None:
    routing = gate.route(torch.from_numpy(embedding(banks[0].held_out)), k=6)
    torch.testing.assert_close(routing.probability.sum(dim=-1), torch.ones(len(banks[0].held_out)))
    assert (routing.probability.diff(dim=-1) <= 0).all()


@pytest.mark.parametrize("k", [0, 7])
def test_more_topics_than_there_are_cannot_be_asked_for(gate: Gate, k: int) -> None:
    with pytest.raises(ValueError, match=rf"k should lie in 1\.\.6, got {k}"):
        gate.route(torch.zeros(1, 384), k)


def test_held_out_subtasks_are_routed_with_an_f1_of_0_9_in_every_topic(
    gate: Gate, embedding: Embedding, banks: tuple[Bank, ...]
) -> None:
    """The subtasks were written without sight of the banks' other texts; scikit-learn counts."""
    found = report(gate, banks, embedding)
    truth, routed = [], []
    for topic, bank in enumerate(banks):
        routing = gate.route(torch.from_numpy(embedding(bank.held_out)))
        truth += [topic] * len(bank.held_out)
        routed += torch.where(routing.known, routing.topic[:, 0], 6).tolist()
    precision, recall, f1, _ = precision_recall_fscore_support(truth, routed, labels=range(6))
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.f1, f1)
    assert found.accuracy == pytest.approx(np.mean(np.equal(truth, routed)))
    assert (found.f1 >= 0.9).all(), dict(zip(found.topics, found.f1.round(3), strict=True))


def test_subtasks_by_somebody_who_saw_nothing_are_routed_as_well(
    gate: Gate, embedding: Embedding, banks: tuple[Bank, ...]
) -> None:
    """Their author had seen neither a bank nor a result, and everything had been fitted before."""
    blind = json.loads((Path(__file__).parent / "blind_subtasks.json").read_text())
    found = report(
        gate, [replace(bank, held_out=tuple(blind[bank.topic])) for bank in banks], embedding
    )
    assert found.confusion.sum() == 6 * 48
    assert (found.f1 >= 0.9).all(), dict(zip(found.topics, found.f1.round(3), strict=True))
    known = gate.route(torch.from_numpy(embedding(blind["off_topic"]))).known
    assert known.float().mean() < 0.15


def test_clauses_of_no_topic_are_known_for_that(gate: Gate, embedding: Embedding) -> None:
    """Those the threshold was chosen by, and those written without sight of anything."""
    off_topic = json.loads((BANKS / "off_topic.json").read_text())
    for clauses in off_topic.values():
        known = gate.route(torch.from_numpy(embedding(clauses))).known
        assert known.float().mean() < 0.1


def test_no_held_out_subtask_is_among_what_the_gate_was_fitted_to(banks: tuple[Bank, ...]) -> None:
    for bank in load_banks(["food"]):
        assert not {text.lower() for text in bank.held_out} & {
            text.lower() for text in bank.phrases + bank.clauses
        }
        assert len(bank.phrases) >= 120
        assert len(bank.held_out) >= 40


def test_the_gate_that_is_shipped_is_the_one_fitted_to_the_banks(
    gate: Gate, embedding: Embedding, banks: tuple[Bank, ...]
) -> None:
    fitted = fit_gate(banks, embedding)
    assert gate.topics == fitted.topics == tuple(bank.topic for bank in banks)
    torch.testing.assert_close(gate.prototypes, fitted.prototypes, atol=1e-3, rtol=0)


def test_a_topic_that_is_added_is_learnt_and_the_old_ones_are_not_forgotten(
    gate: Gate, embedding: Embedding, banks: tuple[Bank, ...]
) -> None:
    food = load_banks(["food"])[-1]
    larger, found = upgrade(gate, banks, food, embedding)
    assert larger.topics == (*gate.topics, "food")
    assert found.new_after >= 0.9
    assert found.forgotten <= 2
    assert found.forgotten == pytest.approx(
        100 * (found.old_before.accuracy - found.old_after.accuracy)
    )
    assert found.old_before.accuracy == report(gate, banks, embedding).accuracy
    assert found.old_after.confusion.sum() == found.old_before.confusion.sum()
    assert 0 < found.unknown_before < 1


def test_a_topic_that_is_there_cannot_be_added(
    gate: Gate, embedding: Embedding, banks: tuple[Bank, ...]
) -> None:
    with pytest.raises(ValueError, match="knows the topic 'weather' already"):
        upgrade(gate, banks, banks[2], embedding)


def test_a_report_without_subtasks_of_a_topic_says_so() -> None:
    found = GateReport(("a", "b"), np.array([[3, 0, 1], [0, 0, 0]]))
    np.testing.assert_array_equal(found.recall, [0.75, np.nan])
    np.testing.assert_array_equal(found.precision, [1.0, np.nan])
    np.testing.assert_array_equal(found.f1, [6 / 7, np.nan])


def test_a_gate_is_read_as_it_was_written(tmp_path: Path) -> None:
    gate = axes("one", "two")
    gate.save(tmp_path / "gate.safetensors")
    read = load_gate(tmp_path / "gate.safetensors")
    assert read.topics == ("one", "two")
    torch.testing.assert_close(read.prototypes, gate.prototypes)


@pytest.mark.parametrize(
    "content", [b"", b"{}", SHIPPED.read_bytes()[:-10]], ids=["empty", "json", "cut off"]
)
def test_a_file_that_is_no_gate_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "gate.safetensors"
    file.write_bytes(content)
    with pytest.raises(GateError, match=r"gate\.safetensors: not a gate"):
        load_gate(file)
