"""The scenario of signals: what is shipped against what it is made of, and a run of seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import marl_moe
from envs import World
from envs.competence_table import load_competence
from marl_moe.cli import app
from marl_moe.experiment.spec.files import shipped_experiments
from marl_moe.experiment.spec.reading import load_experiment
from tests.scenarios.signals_code import FOLDER, module

EXPERTS = ["low", "high"]
GUESS = 1 / 8
networks = module("networks")


@pytest.fixture(scope="module")
def accuracy() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "accuracy.csv", comment="#")


@pytest.fixture(scope="module")
def curve(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy, a column a classifier and a row an SNR."""
    return accuracy.pivot(index="snr_db", columns="classifier", values="accuracy")


def told(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def test_the_mixture_is_at_least_as_good_as_each_expert_at_every_snr_and_better_on_average(
    accuracy: pd.DataFrame,
) -> None:
    for expert in EXPERTS:
        rows = accuracy[accuracy["classifier"] == expert]
        assert list(rows["snr_db"]) == list(range(-10, 21, 2))
        assert (rows["more_high"] >= 0).all()  # within the 95 % interval of the paired difference
        deviation = (rows["more_high"] - rows["moe_more"]) / 1.96
        mean = rows["moe_more"].mean()
        assert mean > 3 * np.sqrt((deviation**2).sum()) / len(rows)


def test_experts_are_specialised(curve: pd.DataFrame) -> None:
    assert (curve.loc[-10:-2, "low"] > curve.loc[-10:-2, "high"]).all()
    assert (curve.loc[8:, "high"] > curve.loc[8:, "low"] + 0.03).all()


def test_no_classifier_is_above_the_bound_of_one_that_knows_all_but_the_modulation(
    curve: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    trained = accuracy[accuracy["classifier"] != "bound"].set_index("snr_db")
    assert (trained["low"] <= curve["bound"].reindex(trained.index)).all()
    assert (curve["bound"].diff().dropna() > -0.01).all()
    assert curve.loc[20, "bound"] == 1


def test_accuracy_at_high_snr_is_that_published_of_the_same_modulations_or_more(
    curve: pd.DataFrame,
) -> None:
    """RadioML 2016.04C: 0.8 to 0.9 of networks on 11 modulations, with fading as well."""
    assert (curve.loc[10:, "moe"] > 0.9).all()
    assert (curve.loc[0:, "moe"] > 0.7).all()


def test_most_errors_at_high_snr_are_between_16qam_and_64qam() -> None:
    """As of the networks of O'Shea, Corgan and Clancy (2016) on RadioML."""
    waveforms = module("waveforms")
    rng = np.random.default_rng(0)
    modulation = np.arange(4_000) % 8
    seen = networks.features(waveforms.received(modulation, np.full(4_000, 18.0), rng))
    shipped = networks.Classifiers.load(FOLDER / "networks.npz")
    guessed = shipped.probabilities("moe", seen).argmax(axis=-1)
    wrong = guessed != modulation
    names = np.array(waveforms.MODULATIONS)
    of_qam = np.isin(names[modulation], ["16QAM", "64QAM"]) & np.isin(
        names[guessed], ["16QAM", "64QAM"]
    )
    assert wrong.sum() > 20
    assert (wrong & of_qam).sum() > 0.75 * wrong.sum()


def test_shipped_weights_measured_again_give_the_shipped_cell(curve: pd.DataFrame) -> None:
    pytest.importorskip("torch")  # which `measure` trains with
    measure = module("measure")
    shipped = networks.Classifiers.load(FOLDER / "networks.npz")
    right = measure.at_snr(shipped, told("by_snr")["seed"], 10)
    for name, of_name in right.items():  # but for signals that rounding decides
        assert of_name.mean() == pytest.approx(curve.loc[10, name], abs=3.5 / len(of_name))


def test_a_small_measurement_writes_tables_that_a_world_reads_and_repeats_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    measure = module("measure")
    small = {"SIGNALS": 4_000, "UPDATES": 150, "GATE_UPDATES": 40, "JOINT_UPDATES": 40}
    for key, value in (small | {"MEASURED": 800, "BOUND_SIGNALS": 20}).items():
        monkeypatch.setattr(measure, key, value)
    monkeypatch.setattr("sys.argv", ["measure.py", "--seed", "3", "--out", str(tmp_path)])
    measure.main()
    table = load_competence(str(tmp_path / "by_snr.json"), 6)
    assert table.rows == ("low", "high", "all_round")
    assert pd.read_csv(tmp_path / "accuracy.csv", comment="#").columns[0] == "snr_db"
    assert (table.competence[2, 1:] > 0.5).all()  # trained, if a little
    written = networks.Classifiers.load(tmp_path / "networks.npz")
    again = measure.train(3)
    for name, layers in again.layers.items():
        for layer, same in zip(layers, written.layers[name], strict=True):
            assert all(map(np.array_equal, layer, same))


def test_a_mixture_of_a_sure_gate_is_the_expert_that_it_takes() -> None:
    layer = [(np.zeros((3, 8)), np.arange(8.0))], [(np.zeros((3, 8)), -np.arange(8.0))]
    gate = [(np.zeros((3, 2)), np.array([50.0, -50.0]))]
    made = networks.Classifiers({"low": layer[0], "high": layer[1], "gate": gate})
    seen = np.ones((5, 3))
    np.testing.assert_allclose(made.probabilities("moe", seen), made.probabilities("low", seen))
    np.testing.assert_allclose(made.probabilities("moe", seen).sum(axis=-1), 1)


def test_features_change_neither_with_the_phase_nor_with_the_power_of_a_signal() -> None:
    waveforms = module("waveforms")
    rng = np.random.default_rng(0)
    signals = waveforms.received(np.arange(80) % 8, np.full(80, 10.0), rng)
    turned = signals * 3 * np.exp(1j * rng.uniform(0, 6, (80, 1)))
    np.testing.assert_allclose(
        networks.features(turned), networks.features(signals), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", ["by_snr", "by_class"])
def test_tables_name_kinds_by_topics_with_intervals_and_what_made_them(name: str) -> None:
    table = told(name)
    assert table["rows"] == ["low", "high", "all_round"]
    shape = 3, len(table["topics"])
    cells = {key: np.array(table[key]) for key in ("low", "competence", "high", "sd")}
    assert {array.shape for array in cells.values()} == {shape}
    assert (cells["low"] <= cells["competence"]).all()
    assert (cells["competence"] <= cells["high"]).all()
    assert {"command", "seed", "versions", "n"} <= table.keys()


def test_competence_by_band_is_the_ratio_of_accuracies_above_a_guess(curve: pd.DataFrame) -> None:
    """0.85 a = (A - 1/8) / (A_moe - 1/8), A the mean over the band: here the curve's trapezium."""
    snr_db = np.linspace(-10, 20, 6 * 50 + 1)
    smooth = {n: np.interp(snr_db, curve.index, curve[n]) - GUESS for n in curve.columns}
    table = told("by_snr")
    for row, kind in enumerate(table["rows"]):
        for band in range(6):
            cells = slice(50 * band, 50 * band + 51)
            ratio = smooth[kind][cells].mean() / smooth["moe"][cells].mean() / 0.85
            low, high = table["low"][row][band], table["high"][row][band]
            room = 1.5 * (high - low) + 0.02
            assert low - room < ratio < high + room


def test_the_study_gives_every_group_the_row_of_its_kind() -> None:
    spec = load_experiment(shipped_experiments()["signals"])
    world = World(spec.env, num_worlds=1, seed=0)
    table = np.array(told("by_snr")["competence"])
    assert (world.pool.competence[0] == np.repeat(table, 4, axis=0)).all()
    assert spec.env.own_topics.sum(axis=1).tolist() == [3] * 4 + [4] * 4 + [6] * 4


def test_a_run_of_seconds_has_its_table_its_metrics_and_its_figure(
    tmp_path: Path,
) -> None:
    # With what learns it is run in tests/marl_moe/experiment/spec/test_sizes.py.
    command = ["run", "signals", "--size", "smoke", "--set", "algorithm=null"]
    ran = CliRunner().invoke(app, [*command, "--out", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    run = marl_moe.load(tmp_path / "signals_smoke")
    shares = run.evaluation[["by_low", "by_high", "by_all_round"]].sum(axis=1)
    np.testing.assert_allclose(shares[run.evaluation["policy"] != "abandon"], 1)
    assert (tmp_path / "signals_smoke" / "figures" / "signals.pdf").stat().st_size > 10_000
    assert run.figure("signals").get_title() == "(a) Classifiers"
