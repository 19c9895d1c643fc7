"""Phrase experts retrieve the nearest phrases, within the words requested."""

import pytest

from marl_moe.text.backends.phrase_experts import PhraseExpert
from marl_moe.text.bank import Bank
from marl_moe.text.clauses import sentences_of, words_of
from marl_moe.text.embedding import Embedding


def test_the_answer_is_the_nearest_phrases_of_its_bank_nearest_first(
    banks: tuple[Bank, ...], embedding: Embedding
) -> None:
    bank = banks[2]
    clause = bank.held_out[3]
    answer = PhraseExpert(bank, embedding).generate(clause, 100)
    said = [phrase for phrase in bank.phrases if phrase in answer.text]
    cosine = {
        phrase: float(embedding([phrase])[0] @ embedding([clause])[0]) for phrase in bank.phrases
    }
    nearest = sorted(bank.phrases, key=lambda phrase: -cosine[phrase])
    assert sorted(said, key=answer.text.index) == nearest[: len(said)]
    next_one = nearest[len(said)]
    assert len(words_of(answer.text)) <= 100 < len(words_of(answer.text)) + len(words_of(next_one))


@pytest.mark.parametrize("words", [1, 50, 300])
def test_it_never_says_more_than_requested_nor_anything_twice(
    banks: tuple[Bank, ...], embedding: Embedding, words: int
) -> None:
    for bank in banks:
        answer = PhraseExpert(bank, embedding).generate(bank.held_out[0], words)
        assert 0 < answer.tokens == len(words_of(answer.text)) <= words
        said = sentences_of(answer.text)
        assert len(set(said)) == len(said)


def test_words_that_hold_a_phrase_exactly_hold_it(
    banks: tuple[Bank, ...], embedding: Embedding
) -> None:
    expert = PhraseExpert(banks[1], embedding)
    text = expert.generate(banks[1].held_out[0], 100).text
    assert expert.generate(banks[1].held_out[0], len(words_of(text))).text == text
    assert expert.generate(banks[1].held_out[0], len(words_of(text)) - 1).text != text


def test_the_answer_repeats(banks: tuple[Bank, ...], embedding: Embedding) -> None:
    texts = {PhraseExpert(banks[0], embedding).generate("a scar", 80).text for _ in range(3)}
    assert len(texts) == 1
