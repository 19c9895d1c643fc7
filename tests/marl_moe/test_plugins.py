"""Code of a user's own: found beside an experiment, recorded as it was run, handed on whole."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mechanisms
from marl_moe.errors import SpecError
from marl_moe.plugins import Code, code, use
from marl_moe.sources import FINDER, Found, find

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
    yield
    use(Found())


def load(names: list[str], folder: Path) -> Found:
    found = find(names, folder)
    use(found)
    return found


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    (tmp_path / "own_flat.py").write_text(FLAT)
    (tmp_path / "lies_beside.py").write_text("PRICE = 2.0\n")
    (tmp_path / "unused_file.py").write_text("raise RuntimeError('nobody asked for this')\n")
    return tmp_path


def test_a_file_and_what_it_imports_from_its_folder_are_recorded(beside: Path) -> None:
    found = load(["own_flat.py"], beside)
    assert found.names == (str(beside / "own_flat.py"),)
    assert mechanisms.make("flat").price == 2.0  # type: ignore[attr-defined]
    recorded = {module: source.text for module, source in found.sources.items()}
    assert recorded == {
        "own_flat": (beside / "own_flat.py").read_bytes(),
        "lies_beside": (beside / "lies_beside.py").read_bytes(),
    }


def test_a_folder_is_a_package_with_or_without_its_init(tmp_path: Path) -> None:
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package/inner.py").write_text("from own_package.deeper import WORD\n")
    (tmp_path / "own_package/deeper.py").write_text("WORD = 'found'\n")
    found = load(["own_package.inner"], tmp_path)
    assert sys.modules["own_package.inner"].WORD == "found"
    assert len(found.sources) == 3


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
    with pytest.raises(
        SpecError, match=r"imports: own_flat.py: ZeroDivisionError: .*\(own_flat.py, line 10\)"
    ):
        load(["own_flat.py"], beside)
    assert "flat" not in mechanisms.names()
    assert not FINDER.found.names
    (beside / "own_flat.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(SpecError, match="SystemExit: 3"):
        load(["own_flat.py"], beside)
    (beside / "own_flat.py").write_text("def f(:\n")
    with pytest.raises(SpecError, match=r"SyntaxError: .*\(own_flat.py, line 1\)"):
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
        del mechanisms.base.MECHANISMS["of_a_script"]


def test_a_process_without_code_of_its_own_hands_nothing_on() -> None:
    check = "import envs, marl_moe.policies; from marl_moe.plugins import code; assert not code()"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=Path(__file__).parents[2])


def test_parts_that_came_with_a_registry_are_not_a_users_own(tmp_path: Path) -> None:
    (tmp_path / "own_network.py").write_text("import marl_moe.policies.networks\n")
    check = (
        "from pathlib import Path; from marl_moe.plugins import use\n"
        "from marl_moe.sources import Found, find\n"
        "use(find(['own_network.py'], Path(%r)))\n"
        "use(Found())\n"
        "from marl_moe.policies.networks import NETWORKS\n"
        "assert {'pointer', 'mlp'} <= set(NETWORKS), NETWORKS.names()\n"
    )
    command = [sys.executable, "-c", check % str(tmp_path)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])


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


HELPED = """
import mechanisms

@mechanisms.register("helped")
class Helped:
    name = "helped"

    def price(self):
        from late_helper import PRICE
        return PRICE
"""


@pytest.fixture
def two_folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return two experiments' folders, with the same main file and other helpers."""
    for name, price in (("a", 1.0), ("b", 2.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own_helped.py").write_text(HELPED)
        (tmp_path / name / "late_helper.py").write_text(f"PRICE = {price}\n")
    return tmp_path / "a", tmp_path / "b"


def test_what_a_function_imports_later_is_found_before(two_folders: tuple[Path, Path]) -> None:
    for folder, price in zip(two_folders, (1.0, 2.0), strict=True):
        found = load(["own_helped.py"], folder)
        assert set(found.sources) == {"own_helped", "late_helper"}
        (folder / "late_helper.py").unlink()
        assert mechanisms.make("helped").price() == price  # type: ignore[attr-defined]


def test_nothing_of_one_experiment_is_left_to_another(two_folders: tuple[Path, Path]) -> None:
    a, b = two_folders
    (b / "late_helper.py").unlink()
    load(["own_helped.py"], a)
    load(["own_helped.py"], b)
    with pytest.raises(ModuleNotFoundError, match="late_helper"):
        mechanisms.make("helped").price()  # type: ignore[attr-defined]


def test_a_part_that_names_no_module_is_forgotten_too(tmp_path: Path) -> None:
    (tmp_path / "own_partial.py").write_text(
        "import functools, mechanisms\n"
        "from mechanisms import PostedPrice\n"
        "mechanisms.register('own_partial')(functools.partial(PostedPrice, price=1.0))\n"
        "mechanisms.register('own_again')(PostedPrice)\n"
    )
    for _ in range(2):
        load(["own_partial.py"], tmp_path)
        assert {"own_partial", "own_again"} <= set(mechanisms.names())
        use(Found())
        assert not {"own_partial", "own_again"} & set(mechanisms.names())


def test_no_file_is_imported_that_nobody_names(tmp_path: Path) -> None:
    (tmp_path / "own_quiet.py").write_text("")
    (tmp_path / "optional_module.py").write_text("raise RuntimeError('imported')\n")
    load(["own_quiet.py"], tmp_path)
    with pytest.raises(ModuleNotFoundError):
        __import__("optional_module")


def test_a_helper_that_a_script_imported_before_is_recorded(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(beside)
    __import__("lies_beside")
    assert set(load(["own_flat.py"], beside).sources) == {"own_flat", "lies_beside"}


def test_a_helper_with_the_name_of_an_installed_module_is_told(tmp_path: Path) -> None:
    (tmp_path / "own_user.py").write_text("import yaml\n")
    (tmp_path / "yaml.py").write_text("")
    with pytest.raises(SpecError, match=r"yaml\.py: 'yaml' is the name of another module"):
        load(["own_user.py"], tmp_path)


def test_parts_of_a_script_may_be_made_of_imported_ones(beside: Path) -> None:
    script = beside / "script.py"
    script.write_text(
        "import sys, cloudpickle, mechanisms\n"
        "from pathlib import Path\n"
        "from marl_moe.plugins import code, use\n"
        "from marl_moe.sources import find\n"
        "use(find(['own_flat.py'], Path()))\n"
        "from own_flat import Flat\n"
        "@mechanisms.register('steeper')\n"
        "class Steeper(Flat):\n"
        "    price = 7.0\n"
        "    def plot(self): ...\n"
        "sys.stdout.buffer.write(cloudpickle.dumps(code()))\n"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"}
    sent = subprocess.check_output([sys.executable, "script.py"], cwd=beside, env=environment)
    try:
        pickle.loads(sent)
        assert mechanisms.make("steeper").price == 7.0  # type: ignore[attr-defined]
        assert mechanisms.make("flat").price == 2.0  # type: ignore[attr-defined]
    finally:
        del mechanisms.base.MECHANISMS["steeper"]


@pytest.mark.parametrize("module", ["torch", "ray.rllib", "sentence_transformers"])
def test_a_file_that_needs_an_extra_that_is_not_installed_names_the_extra(
    beside: Path, module: str
) -> None:
    missing = module.partition(".")[0]
    text = f"raise ModuleNotFoundError({missing!r} + ' is not here', name={module!r})\n"
    (beside / "needs.py").write_text(text)
    extra = "text" if missing == "sentence_transformers" else "train"
    with pytest.raises(SpecError, match=rf"needs.py, line 1\): pip install 'marl-moe\[{extra}\]'"):
        load(["needs.py"], beside)
