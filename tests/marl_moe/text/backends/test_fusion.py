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
