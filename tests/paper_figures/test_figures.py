import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from paper_figures import FIGURES, load_tables, render, save
from paper_figures.figures import FORMATS

from .figures_by_kind import (
    OF_AUDITS,
    OF_MARKETS,
    OF_SIDES,
    OF_SWEEPS,
    OF_TRAINING,
    OF_USERS,
    SHIPPED,
    Tables,
    with_budgets,
    with_joined_experts,
)

WIDTHS = dict.fromkeys(
    ("reward_curves", "final_rewards", "price_of_anarchy", "manipulation"), 3.5
) | dict.fromkeys(
    (
        *("sample_efficiency", "policies", "reliability", "contention"),
        *(
            "pricing",
            "price_response",
            "price_paths",
            "budgets",
            "sensitivity",
            "upgrade",
            "fairness",
        ),
        *OF_SIDES,
    ),
    7.16,
)


def write(tables: Tables, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture
def run_folder(tables: Tables, tmp_path: Path) -> Path:
    return write(tables, tmp_path / "run")


def folder_of(name: str, folder: Path) -> Path:
    """The run that has a figure."""
    if name in ("budgets", "upgrade"):
        return folder / name
    if name in OF_AUDITS:
        return folder / "audits"
    if name in OF_SIDES:
        return folder / "two_sided"
    return folder / (
        "contention" if name in OF_SWEEPS else "pricing" if name in OF_MARKETS else "case_study"
    )


def files(run_folder: Path, names: list[str] | None, out: Path) -> list[Path]:
    """Draw figures of a run folder and write them, each in all formats."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in render(run_folder, names)[0].items():
        for file_format in FORMATS:
            written.append(out / f"{name}.{file_format}")
            save(name, figure, written[-1], file_format)
    return written


@pytest.fixture(scope="module")
def runs(
    make_tables: Callable[..., Tables],
    make_contention: Callable[..., Tables],
    make_pricing: Callable[..., Tables],
    make_audits: Callable[..., Tables],
    make_two_sided: Callable[..., Tables],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run at one point, sweeps of all kinds, and audits: all figures."""
    folder = tmp_path_factory.mktemp("runs")
    for name, make in {
        "case_study": make_tables,
        "contention": make_contention,
        "pricing": make_pricing,
        "audits": make_audits,
        "two_sided": make_two_sided,
    }.items():
        write(make(), folder / name)
    write(with_budgets(make_pricing()), folder / "budgets")
    write(with_joined_experts(make_contention()), folder / "upgrade")
    return folder


@pytest.fixture(scope="module")
def written(runs: Path) -> list[Path]:
    return [
        path
        for name in SHIPPED
        for path in files(folder_of(name, runs), [name], folder_of(name, runs) / "figures")
    ]


def test_every_figure_is_written_as_pdf_and_png(written: list[Path]) -> None:
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in SHIPPED for kind in ("pdf", "png")
    ]


def test_a_run_without_a_sweep_or_a_market_refuses_their_figures_alone(run_folder: Path) -> None:
    assert set(render(run_folder, SHIPPED)[1]) == OF_SWEEPS | OF_MARKETS | OF_AUDITS | OF_SIDES


def test_a_sweep_over_users_has_its_figures_and_those_of_any_evaluation(runs: Path) -> None:
    drawn, refused, failed = render(runs / "contention", SHIPPED)
    assert set(drawn) == OF_USERS | {"policies", "reliability"}
    assert set(refused) == OF_TRAINING | OF_MARKETS | OF_AUDITS | OF_SIDES | {"upgrade"}
    assert failed == {}


def test_pdf_and_png_have_the_width_of_a_column(written: list[Path]) -> None:
    for path in written:
        if path.suffix == ".pdf":
            box = re.search(rb"/MediaBox \[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", path.read_bytes())
            assert box is not None
            assert float(box[1]) / 72 == pytest.approx(WIDTHS[path.stem], abs=0.01)
        else:
            image = Image.open(path)
            assert image.width == round(WIDTHS[path.stem] * 300)
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_pdf_embeds_every_font_as_truetype_and_none_as_type_3(written: list[Path]) -> None:
    """Of each font dictionary, or of its descendant, a descriptor holds the program.

    PDF 32000-1, 9.6 to 9.8: a `/FontDescriptor` without `/FontFile...` is of a font that the reader
    has to have.
    """
    for path in written:
        if path.suffix == ".pdf":
            content = path.read_bytes()
            objects = dict(re.findall(rb"\n(\d+) 0 obj\n(.*?)\nendobj", content, re.DOTALL))
            fonts = [text for text in objects.values() if re.search(rb"/Type /Font\b(?!D)", text)]
            assert fonts
            for font in fonts:
                below = re.search(rb"/(?:DescendantFonts \[\s*|FontDescriptor )(\d+) 0 R", font)
                assert below is not None, font
                if b"/Type /FontDescriptor" in objects[below[1]]:
                    assert re.search(rb"/FontFile2 \d+ 0 R", objects[below[1]]), font
            descriptors = [text for text in objects.values() if b"/Type /FontDescriptor" in text]
            assert len(descriptors) == content.count(b"/FontFile2 ")
            assert b"/Type3" not in content


def test_the_same_tables_give_the_same_bytes(
    written: list[Path], runs: Path, tmp_path: Path
) -> None:
    """Of one figure of each kind of run; no file tells the time."""
    kinds = ("reward_curves", "policies", "contention", "pricing", "manipulation", "budgets")
    kinds += ("reports",)
    assert len({folder_of(name, runs) for name in kinds}) == 6
    first = {path.name: path.read_bytes() for path in written}
    for name in kinds:
        for again in files(folder_of(name, runs), [name], tmp_path):
            assert again.read_bytes() == first[again.name], again.name
    assert not [name for name, content in first.items() if b"CreationDate" in content]


def test_a_figure_that_cannot_be_drawn_says_why_and_the_others_are_drawn(
    tables: Tables, tmp_path: Path
) -> None:
    folder = write({"evaluation": tables["evaluation"]}, tmp_path)
    drawn, refused, _ = render(folder, SHIPPED)
    assert set(drawn) == {"policies", "reliability"}
    assert set(refused) == OF_TRAINING | OF_SWEEPS | OF_MARKETS | OF_AUDITS | OF_SIDES
    assert "no table 'training'" in refused["reward_curves"]


def test_an_unknown_figure_is_refused_with_the_nearest_name(run_folder: Path) -> None:
    with pytest.raises(
        ValueError, match="figure: unknown 'reward_curve'; did you mean 'reward_curves'"
    ):
        render(run_folder, ["reward_curve"])


def test_a_folder_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no run folder .*absent"):
        load_tables(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="holds no record table"):
        load_tables(tmp_path)


def test_tables_are_read_by_stem(run_folder: Path, tables: Tables) -> None:
    loaded = load_tables(run_folder)
    assert set(loaded) == {"training", "evaluation"}
    pd.testing.assert_frame_equal(loaded["training"], tables["training"])


def test_a_table_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "evaluation.parquet").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        load_tables(tmp_path)


def test_a_run_of_an_older_version_is_refused_with_what_to_do(tables: Tables) -> None:
    older = {name: table.drop(columns="settings") for name, table in tables.items()}
    drawn, refused, _ = render(older)
    assert drawn == {}
    assert set(refused) == set(FIGURES)
    for name in ("policies", "sensitivity", "reliability"):
        assert "table 'evaluation' has no column 'settings'" in refused[name]
        assert "run the experiment again" in refused[name]


def test_drawing_leaves_no_global_state_and_needs_no_display_ray_or_torch(run_folder: Path) -> None:
    program = f"""
import io, sys, matplotlib
def settings():  # "backend" aside, which imports pyplot when it is read
    return {{key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}}
before = settings()
import paper_figures
drawn, *_ = paper_figures.render({str(run_folder)!r}, ["policies"])
paper_figures.save("policies", drawn["policies"], io.BytesIO(), "png")
assert settings() == before
absent = {{"matplotlib.pyplot", "ray", "torch", "envs", "mechanisms", "marl_moe"}}
assert not absent & set(sys.modules)
"""
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        cwd=root,
        env={"PATH": "", "HOME": str(run_folder)},
    )
