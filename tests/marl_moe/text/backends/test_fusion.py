"""Answers joined in the prompt's order."""

from marl_moe.text.backends.fusion import Joined
from marl_moe.text.decomposition import Request

REQUEST = Request("", (), ())


def test_answers_follow_each_other_a_paragraph_each_and_what_was_dropped_leaves_no_gap() -> None:
    assert (
        Joined().integrate(REQUEST, ["Rain fell.", None, "They spoke. She wept."])
        == "Rain fell.\n\nThey spoke. She wept."
    )


def test_a_sentence_that_was_said_is_not_said_again() -> None:
    assert Joined().integrate(
        REQUEST, ["Rain fell. It was cold.", "Rain fell.", "It was cold. She wept."]
    ) == ("Rain fell. It was cold.\n\nShe wept.")


def test_nothing_but_dropped_answers_make_an_empty_text() -> None:
    assert Joined().integrate(REQUEST, [None, ""]) == ""


def test_sentences_are_joined_as_their_script_joins_them() -> None:
    assert Joined().integrate(REQUEST, ["雨敲打着船。风很大。", "风很大。她怕。"]) == (
        "雨敲打着船。风很大。\n\n她怕。"
    )


def test_a_sentence_is_the_same_however_its_letters_and_blanks_are_written() -> None:
    assert Joined().integrate(REQUEST, ["Le café\xa0brûle.", "Le cafe\u0301 bru\u0302le."]) == (
        "Le café\xa0brûle."
    )
