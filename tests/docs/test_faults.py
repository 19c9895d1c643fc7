"""The page of faults names the tests that brought them about."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "faults.md"


def test_every_file_of_tests_of_faults_has_its_place_on_the_page() -> None:
    page = PAGE.read_text()
    assert [
        file.stem for file in (TESTS / "faults").glob("test_*.py") if f"`{file.stem}`" not in page
    ] == []
