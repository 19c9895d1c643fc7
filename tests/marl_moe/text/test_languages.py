"""The language of a text: English is never taken for another, others are where it shows."""

import json
from pathlib import Path

import pytest

from marl_moe.text.bank import BANKS, BankError, load_bank
from marl_moe.text.languages import foreign, languages_of

SHIPPED = [Path(__file__).parent / "blind_subtasks.json", *BANKS.glob("*.json")]


def texts(value: object) -> list[str]:
    if isinstance(value, dict | list | tuple):
        parts = value.values() if isinstance(value, dict) else value
        return [text for part in parts for text in texts(part)]
    return [value] if isinstance(value, str) else []


def test_no_english_text_that_comes_with_the_package_is_taken_for_another() -> None:
    english = [text for file in SHIPPED for text in texts(json.loads(file.read_text()))]
    assert len(english) > 2000
    assert [text for text in english if foreign(text)] == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("雨敲打着船", {"zh", "yue"}),
        ("彼女は怖い", {"ja"}),
        ("ฝนตกหนัก", {"th"}),
        ("बारिश होती है", {"hi"}),
        ("المطر يهطل", {"ar", "fa", "arz"}),
        ("Дождь бьёт по лодкам", {"ru"}),
        ("비가 배를 두드린다", {"ko"}),
        ("La lluvia golpea los barcos.", {"es"}),
        ("Der Regen schlägt auf die Boote.", {"de"}),
        ("La pluie frappe les bateaux.", {"fr"}),
        ("Mưa đập vào thuyền", {"vi"}),
    ],
)
def test_another_language_is_named(text: str, language: set[str]) -> None:
    assert foreign(text) in language


@pytest.mark.parametrize("text", ["", "42", "👍", "storm", "Señora Núñez weeps", "Rain fell."])
def test_too_little_text_is_taken_for_english(text: str) -> None:
    assert foreign(text) is None


def test_a_short_clause_is_in_the_language_of_those_beside_it() -> None:
    spanish = ["La lluvia golpea los barcos", "ella llora", "雨敲打着船"]
    assert languages_of(spanish)[:2] == ["es", "es"]
    assert languages_of(["Rain hammers the boats tonight", "ella llora", "雨敲打着船"])[:2] == [
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("key", "wrong", "said"),
    [
        ("phrases", ["雨敲打着船。", "风很大。"], "phrases: should be English"),
        (
            "clauses",
            ["La lluvia golpea los barcos"],
            "clauses: should be English, seems to be 'es'",
        ),
        ("held_out", ["rain on tin", "..."], "held_out.1: should hold a word, got '...'"),
        ("phrases", ["👍"], "phrases.0: should hold a word"),
    ],
)
def test_a_bank_that_no_expert_can_read_is_refused(
    key: str, wrong: list[str], said: str, tmp_path: Path
) -> None:
    bank = {"topic": "t", "persona": "You.", "phrases": ["Rain fell."], "clauses": ["rain falls"],
            "held_out": ["rain on tin"], key: wrong}  # fmt: skip
    file = tmp_path / "bank.json"
    file.write_text(json.dumps(bank))
    with pytest.raises(BankError) as caught:
        load_bank(file)
    assert str(caught.value).startswith(f"{file}: {said}")
