import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from paper_figures import FIGURES, load_tables, looks, render, save
from paper_figures.figures import FORMATS
from paper_figures.style import policy_style

Tables = dict[str, pd.DataFrame]
WIDTHS = dict.fromkeys(("reward_curves", "final_rewards", "price_of_anarchy"), 3.5) | dict.fromkeys(
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
    ),
    7.16,
)
OF_TRAINING = {"reward_curves", "sample_efficiency", "final_rewards"}
OF_SWEEPS = {"contention", "price_of_anarchy", "sensitivity", "upgrade", "fairness"}
OF_USERS = OF_SWEEPS - {"upgrade"}  # of a sweep over the number of users
OF_MARKETS = {"pricing", "price_response", "price_paths", "budgets"}


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
    return folder / (
        "contention" if name in OF_SWEEPS else "pricing" if name in OF_MARKETS else "case_study"
    )


def with_budgets(tables: Tables) -> Tables:
    """Posted prices of 1, 2 and 3 as budgets."""
    evaluation = tables["evaluation"]
    point = evaluation["point"].str.replace("posted_price price", "budgeted_price budget")
    settings = evaluation["settings"].str.replace('"price"', '"budget"')
    evaluation = evaluation.assign(point=point, settings=settings)
    return {"evaluation": evaluation.assign(welfare=evaluation["gain"] + 0.1)}


def with_joined_experts(tables: Tables) -> Tables:
    """The same, evaluated among more experts than were trained with."""
    settings = tables["evaluation"]["settings"].str.replace(
        "}", ', "evaluation.env.num_experts": 45}'
    )
    return {"evaluation": tables["evaluation"].assign(settings=settings)}


CHANGED = {"budgets": with_budgets, "upgrade": with_joined_experts}  # by the figure that needs it


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
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run at one point, and sweeps over users, mechanisms and budgets, which have all figures."""
    folder = tmp_path_factory.mktemp("runs")
    for name, make in {
        "case_study": make_tables,
        "contention": make_contention,
        "pricing": make_pricing,
    }.items():
        write(make(), folder / name)
    write(with_budgets(make_pricing()), folder / "budgets")
    write(with_joined_experts(make_contention()), folder / "upgrade")
    return folder


@pytest.fixture(scope="module")
def written(runs: Path) -> list[Path]:
    return [
        path
        for name in FIGURES
        for path in files(folder_of(name, runs), [name], folder_of(name, runs) / "figures")
    ]


def test_every_figure_is_written_as_pdf_and_png(written: list[Path]) -> None:
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in FIGURES for kind in ("pdf", "png")
    ]


def test_a_run_without_a_sweep_or_a_market_refuses_their_figures_alone(run_folder: Path) -> None:
    assert set(render(run_folder)[1]) == OF_SWEEPS | OF_MARKETS


def test_a_sweep_over_users_has_its_figures_and_those_of_any_evaluation(runs: Path) -> None:
    drawn, refused, failed = render(runs / "contention")
    assert set(drawn) == OF_USERS | {"policies", "reliability"}
    assert set(refused) == OF_TRAINING | OF_MARKETS | {"upgrade"}
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


def test_pdf_embeds_truetype_fonts_and_no_type_3(written: list[Path]) -> None:
    for path in written:
        if path.suffix == ".pdf":
            content = path.read_bytes()
            assert b"/FontFile2" in content  # an embedded TrueType program (PDF 32000-1, table 126)
            assert b"/Type3" not in content


def test_the_same_tables_give_the_same_bytes(
    written: list[Path], runs: Path, tmp_path: Path
) -> None:
    again = [path for name in FIGURES for path in files(folder_of(name, runs), [name], tmp_path)]
    for first, second in zip(written, again, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name
        assert b"CreationDate" not in first.read_bytes()


def test_a_figure_that_cannot_be_drawn_says_why_and_the_others_are_drawn(
    tables: Tables, tmp_path: Path
) -> None:
    folder = write({"evaluation": tables["evaluation"]}, tmp_path)
    drawn, refused, _ = render(folder)
    assert set(drawn) == {"policies", "reliability"}
    assert set(refused) == OF_TRAINING | OF_SWEEPS | OF_MARKETS
    assert "no table 'training'" in refused["reward_curves"]


def test_an_unknown_figure_is_refused_with_the_nearest_name(run_folder: Path) -> None:
    with pytest.raises(ValueError, match="no figure 'reward_curve'; did you mean 'reward_curves'"):
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


@pytest.mark.parametrize("name", ["reward_curves", "final_rewards", "price_of_anarchy"])
def test_the_legend_fits_a_column_where_some_intervals_are_missing(
    tables: Tables, contention: Tables, name: str
) -> None:
    """Seed 0 alone has the last epochs, the policy `random`, and 8 users."""
    training, evaluation = tables["training"], tables["evaluation"]
    training = training[(training["seed"] == 0) | (training["epoch"] <= 100)]
    evaluation = evaluation[(evaluation["seed"] == 0) | (evaluation["policy"] != "random")]
    shown = {"training": training, "evaluation": evaluation}
    if name == "price_of_anarchy":
        rows = contention["evaluation"]
        shown = {"evaluation": rows[(rows["seed"] == 0) | (rows["num_users"] != 8)]}
    with looks(FIGURES[name].style):
        figure = render(shown, [name]).figures[name]
        figure.draw_without_rendering()
        legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
        boxes = [legend.get_window_extent() for legend in legends]
    texts = [text.get_text() for legend in legends for text in legend.get_texts()]
    assert "95% interval, 3 seeds;\none seed: no interval" in texts
    assert all(0 <= box.x0 <= box.x1 <= figure.bbox.x1 for box in boxes)


def colours_by_policy(ax: Axes) -> dict[str, str]:
    """Label -> colour, of labelled curves and of the rows of a dot plot."""
    curves = {str(line.get_label()): to_hex(line.get_color()) for line in ax.get_lines()}
    rows = {
        text.get_text(): to_hex(
            next(
                c.lines[0] for c in ax.containers if round(c.lines[0].get_ydata()[0]) == i
            ).get_color()
        )
        for i, text in enumerate(ax.get_yticklabels())
        if ax.containers
    }
    return curves | rows


def test_a_policy_has_the_same_colour_in_every_figure(tables: Tables, contention: Tables) -> None:
    for name, kind in FIGURES.items():
        if name in OF_MARKETS | {"price_of_anarchy", "sample_efficiency"}:
            continue  # of some policies alone
        shown = CHANGED.get(name, dict)(contention if name in OF_SWEEPS else tables)
        colours = colours_by_policy(kind.plot(shown).get_figure(root=True).axes[0])
        for policy in ("local", "sac", "abandon", "random"):
            look = policy_style(policy)
            assert colours[look.label] == look.colour.lower(), (name, policy)


@pytest.mark.parametrize(
    ("name", "sweep"), [(name, name in OF_SWEEPS) for name in FIGURES] + [("policies", True)]
)
def test_no_text_overlaps_another_or_leaves_the_page(
    make_tables: Callable[..., Tables],
    contention: Tables,
    pricing_tables: Tables,
    with_settings: Callable[[Tables], Tables],
    name: str,
    sweep: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = contention if sweep else make_tables(seeds=1, algorithms=["sac", "ppo"], episodes=30)
    if name in OF_MARKETS:
        tables = pricing_tables
    elif not sweep:
        tables["training"]["point"] = "algorithm=" + tables["training"]["algorithm"]
        tables = with_settings(tables)
    tables = CHANGED.get(name, dict)(tables)
    with matplotlib.rc_context(FIGURES[name].style):
        figure = FIGURES[name].plot(tables).get_figure(root=True)
        figure.draw_without_rendering()  # lays the figure out
        drawn: list[Text] = []  # ticks outside the axes exist, but are not drawn
        monkeypatch.setattr(Text, "draw", lambda text, _: drawn.append(text))
        figure.draw_without_rendering()
        texts = [text for text in dict.fromkeys(drawn) if text.get_visible() and text.get_text()]
        boxes = [text.get_window_extent() for text in texts]
    assert len(texts) > 10
    page = figure.bbox.padded(1)
    for index, box in enumerate(boxes):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, texts[index]
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, texts[index]
        assert not any(box.overlaps(other) for other in boxes[index + 1 :]), texts[index]


def widest_interval(figure: Figure) -> float:
    """The greatest extent of any bar or band in units of data; 0 where none is drawn."""
    shapes = [
        path.vertices
        for ax in figure.axes
        for drawn in ax.collections
        for path in drawn.get_paths()
    ]
    return max(
        (np.nan_to_num(np.ptp(shape, axis=0)).max() for shape in shapes if len(shape) == 2),
        default=0.0,
    ) + max((np.nan_to_num(np.ptp(shape[:, 1])) for shape in shapes if len(shape) > 2), default=0.0)


@pytest.mark.parametrize("name", FIGURES)
def test_one_seed_is_drawn_without_an_interval_and_the_legend_says_so(
    make_tables: Callable[..., Tables],
    make_contention: Callable[..., Tables],
    make_pricing: Callable[..., Tables],
    name: str,
) -> None:
    make = (
        make_contention
        if name in OF_SWEEPS
        else make_pricing
        if name in OF_MARKETS
        else make_tables
    )
    texts: dict[int, list[str]] = {}
    for seeds in (1, 2):
        tables = make(seeds=seeds, episodes=8)
        figure = FIGURES[name].plot(CHANGED.get(name, dict)(tables)).get_figure(root=True)
        legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
        texts[seeds] = [text.get_text() for legend in legends for text in legend.get_texts()]
        assert (widest_interval(figure) > 0) == (seeds > 1)
    assert [sum("one seed: no interval" in text for text in texts[seeds]) for seeds in (1, 2)] == [
        1,
        0,
    ]
    assert [sum("95% interval, 2 seeds" in text for text in texts[seeds]) for seeds in (1, 2)] == [
        0,
        1,
    ]


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
