"""Cutting prompts and answers: pieces in order, nothing said twice, nothing lost but separators."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_moe.text.clauses import clauses_of, first_words, sentences_of, words_of


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (
            "Write a story about a scarred captain who sails into a storm. Rain hits the deck, and "
            "the crew whisper.",
            ["a scarred captain", "sails into a storm", "Rain hits the deck", "the crew whisper"],
        ),
        (
            "A tall woman crosses the mountains while snow falls",
            ["A tall woman crosses the mountains", "snow falls"],
        ),
        ("storm", ["storm"]),
        ("mountains, rivers and forests", ["mountains, rivers and forests"]),
        ("As night falls, they argue.", ["As night falls", "they argue"]),
        (
            "- rain on tin\n- a bitter quarrel\n* two sisters",
            ["rain on tin", "a bitter quarrel", "two sisters"],
        ),
        ("1. rain on tin\n2. a bitter quarrel", ["rain on tin", "a bitter quarrel"]),
        (
            "Dr. Moss met J. Hale; they spoke at length",
            ["Dr. Moss met J. Hale", "they spoke at length"],
        ),
        ('He says "I know, and I will go." to her', ['He says "I know, and I will go." to her']),
        (
            "Could you please write me a short scene in which fog fills the valley?",
            ["fog fills the valley"],
        ),
        ("Give me a poem", []),
        ("", []),
        (" ... ,;! ", []),
        ("42, 17.", []),
    ],
)
def test_a_prompt_is_cut_where_a_reader_would_cut_it(prompt: str, expected: list[str]) -> None:
    assert clauses_of(prompt) == expected


PIECES = st.sampled_from(
    [
        "rain falls",
        "and",
        "the old king",
        ", ",
        ". ",
        "\n",
        '"no, never."',
        "who",
        "; ",
        " ",
        "she said",
        "Mr.",
        "3.",
        "—",
    ]
)


@given(st.lists(PIECES, max_size=25).map(" ".join))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_clauses_are_pieces_of_the_prompt_in_its_order(prompt: str) -> None:
    position = 0
    for clause in clauses_of(prompt):
        found = prompt.find(clause, position)
        assert found >= position
        position = found + len(clause)


@given(st.lists(PIECES, max_size=25).map(" ".join))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_sentences_keep_every_word(text: str) -> None:
    assert [word for sentence in sentences_of(text) for word in words_of(sentence)] == words_of(
        text
    )


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_cut_without_an_error(text: str) -> None:
    assert all(re.search(r"[^\W\d_]", clause) for clause in clauses_of(text))


def test_words_are_counted_as_a_reader_counts_them() -> None:
    assert words_of("Don't stop: the half-mad king's 3 ships!") == [
        "don't",
        "stop",
        "the",
        "half-mad",
        "king's",
        "3",
        "ships",
    ]


def test_a_text_is_shortened_to_whole_sentences_or_else_to_words() -> None:
    text = "One two three. Four five six seven. Eight."
    assert first_words(text, 7) == "One two three. Four five six seven."
    assert first_words(text, 6) == "One two three."
    assert first_words(text, 2) == "One two"
    assert first_words(text, 8) == text
    assert first_words("", 5) == ""
    assert first_words("rain/snow and hail fell at once", 3) == "rain/snow and"
    assert first_words("rain/snow and hail", 1) == ""
