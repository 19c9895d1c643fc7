"""Cutting prompts and answers: pieces in order, nothing said twice, nothing lost but separators."""

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
        ("雨敲打着船。风很大。她怕。", ["雨敲打着船", "风很大", "她怕"]),
        ("下雨了，风很大；她怕！", ["下雨了", "风很大", "她怕"]),
        ("他说：“我知道。我走。”她走了。", ["他说", "“我知道。我走。”", "她走了"]),
        ("雨がボートを打つ。彼女は怖い。", ["雨がボートを打つ", "彼女は怖い"]),
        ("बारिश होती है। हवा चलती है॥", ["बारिश होती है", "हवा चलती है"]),
        (
            "المطر يهطل، والريح تعصف؛ هي خائفة؟ نعم",
            ["المطر يهطل", "والريح تعصف", "هي خائفة", "نعم"],
        ),
        ("ฝนตกหนักและลมพัดแรง เธอกลัว", ["ฝนตกหนักและลมพัดแรง", "เธอกลัว"]),
        ("비가 배를 두드린다. 그녀는 두렵다.", ["비가 배를 두드린다", "그녀는 두렵다"]),
        ("ዝናብ ይዘንባል። ነፋስ ነው።", ["ዝናብ ይዘንባል", "ነፋስ ነው"]),
        (
            "Ｒａｉｎ　ｆａｌｌｓ．Ｆｏｇ　ｃｏｍｅｓ．",
            ["Ｒａｉｎ　ｆａｌｌｓ", "Ｆｏｇ　ｃｏｍｅｓ"],
        ),
        ("雨敲打着船 and rain hammers the boats。", ["雨敲打着船", "rain hammers the boats"]),
        (
            "Rain falls.\r\nFog comes\rHail hits us\u2028grief\xa0overtakes her",
            ["Rain falls", "Fog comes", "Hail hits us", "grief\xa0overtakes her"],
        ),
        ("\u200f- rain falls\u200f", ["rain falls"]),
        ("👩\u200d🚀🌧️👍", []),
        ("！？。…、", []),
        ("\u200b\ufeff\u2060", []),
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
    assert all(any(map(str.isalpha, clause)) for clause in clauses_of(text))


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("雨敲打着船。", ["雨", "敲打", "着", "船"]),
        ("ฝนตกหนักและลมพัดแรง", ["ฝน", "ตกหนัก", "และ", "ลม", "พัด", "แรง"]),
        ("बारिश होती है।", ["बारिश", "होती", "है"]),
        ("می\u200cخواهم بروم", ["میخواهم", "بروم"]),
        ("e\u0301te\u0301 Été ＥＴＥ", ["été", "été", "ete"]),
        ("3.14 of 3,000", ["3.14", "of", "3,000"]),
        ("so\u00adft a\u00a0b", ["soft", "a", "b"]),
        ("👍 rain 🌧️", ["rain"]),
        ("fell.She fell!He", ["fell", "she", "fell", "he"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
    ],
)
def test_words_are_those_of_their_script_in_one_form(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("雨敲打着船。风很大！她怕。", ["雨敲打着船。", "风很大！", "她怕。"]),
        ("「雨だ。」と言った。彼は去った。", ["「雨だ。」", "と言った。", "彼は去った。"]),
        ("Rain fell!She ran?He hid.", ["Rain fell!", "She ran?", "He hid."]),
        ("At 3.14 p.m. Dr. Moss met J. Hale.", ["At 3.14 p.m.", "Dr. Moss met J. Hale."]),
        ("Rain.\r\n\r\nFog.\u2029Hail", ["Rain.", "Fog.", "Hail"]),
    ],
)
def test_sentences_end_as_their_script_ends_them(text: str, sentences: list[str]) -> None:
    assert sentences_of(text) == sentences


@pytest.mark.parametrize(
    ("text", "count", "kept"),
    [
        ("雨敲打着船。风很大。她怕。", 2, "雨敲打"),
        ("雨敲打着船。风很大。她怕。", 6, "雨敲打着船。风很大。"),
        ("ฝนตกหนักและลมพัดแรง", 2, "ฝนตกหนัก"),
        ("बारिश होती है। हवा चलती है।", 3, "बारिश होती है।"),
        ("rain—snow", 1, "rain"),
    ],
)
def test_a_text_of_any_script_is_shortened_between_its_words(
    text: str, count: int, kept: str
) -> None:
    assert first_words(text, count) == kept


ANY_SCRIPT = st.text(
    st.sampled_from(
        "雨风船。，！ฝนตก หนักहै। المطر،؟rain.,!?'’-\u200d\u0301👍…\n\r\u2028\xa0\ud800“”「」1"
    )
    | st.characters(),
    max_size=60,
)


@given(ANY_SCRIPT, st.integers(1, 6))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_shortened_text_holds_a_word_where_there_was_one_and_no_more_than_asked(
    text: str, count: int
) -> None:
    kept = words_of(first_words(text, count))
    assert (len(kept) > 0) == bool(words_of(text))
    assert len(kept) <= count


@given(ANY_SCRIPT)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_sentences_of_any_script_keep_every_word(text: str) -> None:
    assert [word for sentence in sentences_of(text) for word in words_of(sentence)] == words_of(
        text
    )


def test_a_text_is_shortened_to_whole_sentences_or_else_to_words() -> None:
    text = "One two three. Four five six seven. Eight."
    assert first_words(text, 7) == "One two three. Four five six seven."
    assert first_words(text, 6) == "One two three."
    assert first_words(text, 2) == "One two"
    assert first_words(text, 8) == text
    assert first_words("", 5) == ""
    assert first_words("rain/snow and hail fell at once", 3) == "rain/snow and"
    assert first_words("rain/snow and hail", 1) == "rain"
