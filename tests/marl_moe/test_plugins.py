"""Code of a user's own: found beside an experiment, recorded as it was run, handed on whole."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mechanisms
from marl_moe.errors import SpecError
from marl_moe.plugins import Code, code, load, sources_of
from marl_moe.sources import FINDER

FLAT = """
import mechanisms
from lies_beside import PRICE

@mechanisms.register("flat")
class Flat:
    name = "flat"
    price = PRICE
"""


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Begin and end with nothing of a user's own."""
    from marl_moe import plugins

    yield
    plugins._forget(list(FINDER.sources))
    FINDER.roots = []


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    (tmp_path / "own_flat.py").write_text(FLAT)
    (tmp_path / "lies_beside.py").write_text("PRICE = 2.0\n")
    (tmp_path / "unused_file.py").write_text("raise RuntimeError('nobody asked for this')\n")
    return tmp_path


def test_a_file_and_what_it_imports_from_its_folder_are_recorded(beside: Path) -> None:
    names = load(["own_flat.py"], beside)
    assert names == [str(beside / "own_flat.py")]
    assert mechanisms.make("flat").price == 2.0  # type: ignore[attr-defined]
    recorded = {source.module: source.text for source in sources_of(names)}
    assert recorded == {
        "own_flat": (beside / "own_flat.py").read_bytes(),
        "lies_beside": (beside / "lies_beside.py").read_bytes(),
    }


def test_a_folder_is_a_package_with_or_without_its_init(tmp_path: Path) -> None:
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package/inner.py").write_text("from own_package.deeper import WORD\n")
    (tmp_path / "own_package/deeper.py").write_text("WORD = 'found'\n")
    assert load(["own_package.inner"], tmp_path) == ["own_package.inner"]
    assert sys.modules["own_package.inner"].WORD == "found"
    assert len(sources_of(["own_package.inner"])) == 3


def test_what_changed_is_imported_anew_and_what_did_not_is_left_alone(beside: Path) -> None:
    load(["own_flat.py"], beside)
    first = sys.modules["own_flat"]
    load(["own_flat.py"], beside)
    assert sys.modules["own_flat"] is first
    (beside / "lies_beside.py").write_text("PRICE = 3.0\n")
    load(["own_flat.py"], beside)
    assert mechanisms.make("flat").price == 3.0  # type: ignore[attr-defined]


def test_two_experiments_with_files_of_one_name_each_get_their_own(
    beside: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "own_flat.py").write_text(FLAT)
    (other / "lies_beside.py").write_text("PRICE = 9.0\n")
    for folder, price in ((beside, 2.0), (other, 9.0), (beside, 2.0)):
        load(["own_flat.py"], folder)
        assert mechanisms.make("flat").price == price  # type: ignore[attr-defined]


def test_compiled_code_beside_a_file_is_never_run(beside: Path) -> None:
    import importlib.util
    import py_compile

    source = beside / "lies_beside.py"
    other = beside / "planted.txt"
    other.write_text("PRICE = 666\n")
    cached = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(
        str(other),
        cfile=str(cached),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    run = [sys.executable, "-c", "import lies_beside; print(lies_beside.PRICE)"]
    assert subprocess.check_output(run, cwd=beside, text=True).strip() == "666"  # Python itself
    load(["own_flat.py"], beside)
    assert mechanisms.make("flat").price == 2.0  # type: ignore[attr-defined]


def test_an_import_that_fails_leaves_no_trace_and_tells_its_line(beside: Path) -> None:
    (beside / "own_flat.py").write_text(FLAT + "\n1 / 0\n")
    with pytest.raises(SpecError, match=r"imports: own_flat.py: ZeroDivisionError: .*line 10 of"):
        load(["own_flat.py"], beside)
    assert "flat" not in mechanisms.names()
    assert not FINDER.sources
    (beside / "own_flat.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(SpecError, match="SystemExit: 3"):
        load(["own_flat.py"], beside)
    (beside / "own_flat.py").write_text("def f(:\n")
    with pytest.raises(SpecError, match=r"SyntaxError: .*line 1 of .*own_flat.py"):
        load(["own_flat.py"], beside)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_flatt.py", "no such file beside the experiment; did you mean 'own_flat.py'"),
        ("own.flat.py", "should be named as a Python module is"),
        ("json.py", "'json' is the name of another module; rename the file"),
        ("antigravity.py", "'antigravity' is the name of another module"),
        ("numpy.py", "'numpy' is the name of another module"),
        ("marl_moe.py", "'marl_moe' is the name of another module"),
        ("no_such_package.mine", "No module named 'no_such_package'"),
    ],
)
def test_a_name_that_cannot_be_imported_is_told(beside: Path, name: str, message: str) -> None:
    if not name.startswith("own_flatt") and name.endswith(".py"):
        (beside / name).write_text("")
    with pytest.raises(SpecError) as told:
        load([name], beside)
    assert str(told.value).startswith(f"imports: {name}: ")
    assert message in str(told.value)


def test_code_arrives_whole_in_a_process_that_sees_no_file_of_it(beside: Path) -> None:
    load(["own_flat.py"], beside)
    sent = pickle.dumps(code())
    for file in beside.glob("*.py"):
        file.unlink()
    arrive = (
        "import pickle, sys\n"
        "pickle.load(sys.stdin.buffer)\n"
        "import mechanisms; print(mechanisms.make('flat').price)"
    )
    done = subprocess.run([sys.executable, "-c", arrive], input=sent, capture_output=True)
    assert done.stdout.strip() == b"2.0", done.stderr.decode()


def test_parts_of_a_script_go_along_by_value(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import mechanisms, sys\n"
        "@mechanisms.register('of_a_script')\n"
        "class OfAScript:\n"
        "    price = 4.0\n"
        "from marl_moe.plugins import code\n"
        "import cloudpickle\n"
        "sys.stdout.buffer.write(cloudpickle.dumps(code()))\n"
    )
    sent = subprocess.check_output([sys.executable, str(script)], cwd=Path(__file__).parents[2])
    arrived = pickle.loads(sent)
    try:
        assert isinstance(arrived, Code)
        assert mechanisms.make("of_a_script").price == 4.0  # type: ignore[attr-defined]
    finally:
        mechanisms.base.MECHANISMS.forget("of_a_script")


def test_a_process_without_code_of_its_own_hands_nothing_on() -> None:
    assert not code()


def test_plugins_of_installed_packages_are_imported_without_being_named(tmp_path: Path) -> None:
    package = tmp_path / "own_plugin-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: own-plugin\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[marl_moe.plugins]\nflat = own_plugin\n")
    (tmp_path / "own_plugin.py").write_text(
        FLAT.replace("from lies_beside import PRICE", "PRICE=5")
    )
    command = [sys.executable, "-m", "marl_moe"]
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": f"{root}:{tmp_path}", "PATH": "/usr/bin:/bin"}
    listed = subprocess.check_output([*command, "list"], text=True, env=environment, cwd=tmp_path)
    assert "flat" in listed
    (tmp_path / "own_plugin.py").write_text("import no_such_thing\n")
    failed = subprocess.run(
        [*command, "list"], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert failed.returncode == 2
    assert "plugin own_plugin of own-plugin: ModuleNotFoundError" in failed.stderr
