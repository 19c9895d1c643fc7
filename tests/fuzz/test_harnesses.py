"""Readers of what others may have written let out their own errors alone, without the guidance of
coverage.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn


def loaded_harnesses() -> ModuleType:
    """The script beside this file."""
    path = Path(__file__).with_name("harnesses.py")
    spec = importlib.util.spec_from_file_location("fuzz_harnesses", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


harnesses = loaded_harnesses()
FINDS = [(path.parent.name, path.name) for path in sorted(harnesses.CORPUS.glob("*/*"))]


@st.composite
def bitten(draw: DrawFn, whole: bytes) -> bytes:
    """A file with some bytes of it changed, cut out or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.sampled_from([0, 1, 1, 1, 4, 100, len(data)]))] = draw(
            st.binary(max_size=4)
        )
    return bytes(data)


@pytest.mark.parametrize(("name", "find"), FINDS)
def test_what_was_found_once_is_refused(
    name: str, find: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    harnesses.HARNESSES[name]((harnesses.CORPUS / name / find).read_bytes())
    assert list(tmp_path.iterdir()) == []  # no bomb of the corpus went off


@pytest.mark.parametrize("name", harnesses.HARNESSES)
def test_no_bytes_bring_a_reader_to_anything_but_its_own_error(name: str) -> None:
    whole = harnesses.seeds(name)[0]
    harness = harnesses.HARNESSES[name]
    text = st.text(
        st.sampled_from("abn:{}[]&*!<>?|-,#'\"%@`.~0123456789e+ \n\t\0é\ud7ff"), max_size=60
    )

    @settings(max_examples=max(30, settings().max_examples // 3))
    @given(st.one_of(st.binary(max_size=200), text.map(str.encode), bitten(whole)))
    @example(whole)
    def read(data: bytes) -> None:
        harness(data)

    read()
