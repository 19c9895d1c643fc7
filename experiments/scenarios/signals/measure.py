"""Train the classifiers and measure them: `python experiments/scenarios/signals/measure.py`.

Beside this file it writes the weights (`networks.npz`), accuracy by SNR (`accuracy.csv`) and two
tables of competence for `env.experts.competence`, by band of SNR (`by_snr.json`) and by modulation
(`by_class.json`). It needs the extra `train`, for PyTorch, and about a minute of one core.

Experts are trained on their ranges of SNR, then a gate on all with the experts as they are, then
gate and experts together on the log-likelihood of the mixture. The network without a gate has the
size of one expert, and as many updates as both experts have together.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from bound import upper_bound
from networks import ALL_ROUND, CLASSIFIERS, EXPERTS, GATE, MOE, Classifiers, features
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional
from waveforms import MODULATIONS, received

from envs import QualityConfig
from marl_moe.text.competence import CONFIDENCE, Competence, competence

HERE = Path(__file__).parent
RANGE_DB = {"low": (-10.0, 5.0), "high": (0.0, 20.0), ALL_ROUND: (-10.0, 20.0)}
BANDS_DB = tuple((low, low + 5.0) for low in range(-10, 20, 5))
SNRS_DB = tuple(range(-10, 21, 2))
HIDDEN, GATE_HIDDEN = 32, 16
SIGNALS, BATCH = 300_000, 256  # of training; of an update
UPDATES, GATE_UPDATES, JOINT_UPDATES = 6_000, 1_500, 3_000
LEARNING_RATE, JOINT_RATE = 2e-3, 1e-3
MEASURED = 8_000  # signals of a cell: an SNR, a band or a modulation
BOUND = "bound"
BOUND_SIGNALS = 1_000  # of each modulation
# Streams of random numbers beside the seed: no two measurements share signals.
TRAINING, BY_SNR, BY_BAND, BY_CLASS, OF_BOUND, WEIGHTS = range(6)
POINTS = 10.0  # of the judge for the right modulation, 0 for another


def signals_at(
    snr_db: tuple[float, float], count: int, rng: np.random.Generator, only: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    """Draw signals of uniform SNR: features (n, F), modulation (n,) and SNR in dB (n,).

    Args:
        snr_db: range of the SNR of a sample.
        count: n.
        rng: of everything.
        only: place in MODULATIONS of the one to draw; None: as many of each.
    """
    modulation = np.arange(count) % len(MODULATIONS) if only is None else np.full(count, only)
    snr = rng.uniform(*snr_db, count)
    parts = [
        features(received(modulation[part], snr[part], rng))
        for part in np.array_split(np.arange(count), max(1, count // 4_000))
    ]
    return np.concatenate(parts), modulation, snr


def train(seed: int) -> Classifiers:
    """Return trained classifiers."""
    seen, modulation, snr = signals_at(RANGE_DB[ALL_ROUND], SIGNALS, stream(seed, TRAINING))
    mean, scale = seen.mean(axis=0), seen.std(axis=0)
    inputs, target = torch.tensor((seen - mean) / scale), torch.tensor(modulation)
    rng = stream(seed, WEIGHTS)
    size, classes = inputs.shape[1], len(MODULATIONS)
    networks = {name: _network((size, HIDDEN, classes), rng) for name in RANGE_DB}
    networks[GATE] = _network((size, GATE_HIDDEN, len(EXPERTS)), rng)

    def alone(name: str) -> Callable[[Tensor], Tensor]:
        return lambda batch: functional.log_softmax(networks[name](batch), dim=-1)

    def mixed(batch: Tensor) -> Tensor:
        gate = functional.log_softmax(networks[GATE](batch), dim=-1)
        of_experts = torch.stack([alone(name)(batch) for name in EXPERTS], dim=1)
        return torch.logsumexp(gate[..., None] + of_experts, dim=1)

    def fit(
        parts: list[str], predict: Callable[[Tensor], Tensor], updates: int, rate: float
    ) -> None:
        low, high = RANGE_DB.get(parts[0] if len(parts) == 1 else ALL_ROUND, RANGE_DB[ALL_ROUND])
        rows = np.flatnonzero((low <= snr) & (snr <= high))
        of_parts = [weight for name in parts for weight in networks[name].parameters()]
        optimiser = torch.optim.Adam(of_parts, rate, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
        for _ in range(updates):
            batch = rng.choice(rows, BATCH)
            loss = functional.nll_loss(predict(inputs[batch]), target[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()

    for name in EXPERTS:
        fit([name], alone(name), UPDATES, LEARNING_RATE)
    fit([GATE], mixed, GATE_UPDATES, LEARNING_RATE)
    fit([GATE, *EXPERTS], mixed, JOINT_UPDATES, JOINT_RATE)
    fit([ALL_ROUND], alone(ALL_ROUND), len(EXPERTS) * (UPDATES + JOINT_UPDATES), LEARNING_RATE)
    return Classifiers({name: _layers(of, mean, scale) for name, of in networks.items()})


def stream(seed: int, *of: int) -> np.random.Generator:
    """Return the generator of a part of the measurement."""
    return np.random.default_rng([seed, *of])


def at_snr(classifiers: Classifiers, seed: int, snr_db: int) -> dict[str, NDArray[np.bool_]]:
    """Return the signals of an SNR that each classifier is right about, (n,) each."""
    rng = stream(seed, BY_SNR, SNRS_DB.index(snr_db))
    seen, modulation, _ = signals_at((snr_db, snr_db), MEASURED, rng)
    return {name: classifiers.right(name, seen, modulation) for name in CLASSIFIERS}


def accuracy(classifiers: Classifiers, seed: int) -> pd.DataFrame:
    """Return accuracy by SNR with 95 % intervals, and by how much the mixture exceeds it.

    Intervals of accuracy are Wilson's (1927), those of differences normal, of pairs: all classify
    the same signals.
    """
    rows = []
    for snr_db in SNRS_DB:
        right = at_snr(classifiers, seed, snr_db)
        for name, of_name in right.items():
            wilson = stats.binomtest(int(of_name.sum()), MEASURED).proportion_ci(method="wilson")
            row = {"snr_db": snr_db, "classifier": name, "n": MEASURED, "accuracy": of_name.mean()}
            row |= {"low": wilson.low, "high": wilson.high}
            if name != MOE:
                more = right[MOE].astype(float) - of_name
                half = stats.norm.ppf((1 + CONFIDENCE) / 2) * more.std(ddof=1) / MEASURED**0.5
                row |= {"moe_more": more.mean(), "more_low": more.mean() - half}
                row |= {"more_high": more.mean() + half}
            rows.append(row)
        bound = upper_bound(snr_db, BOUND_SIGNALS, stream(seed, OF_BOUND, SNRS_DB.index(snr_db)))
        count = BOUND_SIGNALS * len(MODULATIONS)
        rows.append({"snr_db": snr_db, "classifier": BOUND, "n": count, "accuracy": bound})
    return pd.DataFrame(rows).round(6)


def table(
    classifiers: Classifiers, columns: Mapping[str, tuple[Any, ...]], seed: int, of: int
) -> dict[str, Any]:
    """Return a table of competence as `marl-moe calibrate` writes it, kinds of experts by columns.

    A request's device has the whole mixture, S_local; an expert's device one network; who abandons
    a signal is left with a guess, which is right once in 8.

    Args:
        classifiers: trained.
        columns: arguments of `signals_at` by name: range of SNR, and the modulation if one.
        seed: of the signals.
        of: stream of the table.
    """
    kinds = [name for name in CLASSIFIERS if name != MOE]
    cells: dict[str, list[Competence]] = {name: [] for name in kinds}
    for place, (snr_db, only) in enumerate(columns.values()):
        seen, modulation, _ = signals_at(snr_db, MEASURED, stream(seed, of, place), only)
        points = {n: POINTS * classifiers.right(n, seen, modulation) for n in CLASSIFIERS}
        guess = np.full(MEASURED, POINTS / len(MODULATIONS))
        for name in kinds:
            share = QualityConfig().recovered_share
            cells[name].append(competence(points[name], points[MOE], guess, share))
    parts = {
        key: [[round(getattr(cell, part), 6) for cell in cells[name]] for name in kinds]
        for key, part in (("competence", "mean"), ("sd", "sd"), ("low", "low"), ("high", "high"))
    }
    return {"rows": kinds, "topics": list(columns), **parts, "n": MEASURED}


def main() -> None:
    """Train, measure, and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (0)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the files")
    given = parser.parse_args()
    torch.set_num_threads(1)
    classifiers = train(given.seed)
    classifiers.save(given.out / "networks.npz")
    packages = ("numpy", "scipy", "torch")
    made = {
        "command": f"python experiments/scenarios/signals/measure.py --seed {given.seed}",
        "seed": given.seed,
        "versions": {name: version(name) for name in packages},
    }
    of_snr = accuracy(classifiers, given.seed).to_csv(index=False)
    (given.out / "accuracy.csv").write_text(f"# {json.dumps(made)}\n{of_snr}", encoding="utf-8")
    bands = {f"{low:g} to {high:g} dB": ((low, high), None) for low, high in BANDS_DB}
    of_class = {name: (RANGE_DB[ALL_ROUND], place) for place, name in enumerate(MODULATIONS)}
    for file, columns, of in (("by_snr", bands, BY_BAND), ("by_class", of_class, BY_CLASS)):
        told = made | table(classifiers, columns, given.seed, of)
        text = json.dumps(told, indent=2) + "\n"
        (given.out / f"{file}.json").write_text(text, encoding="utf-8")


def _network(sizes: tuple[int, ...], rng: np.random.Generator) -> nn.Sequential:
    """Return a network of ReLU layers, weights drawn as He et al. (2015) do."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layer = nn.Linear(inputs, outputs)
        weight = rng.normal(0, (2 / inputs) ** 0.5, (outputs, inputs))
        layer.weight.data = torch.tensor(weight, dtype=torch.float32)
        layer.bias.data.zero_()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _layers(
    network: nn.Sequential, mean: NDArray[np.float32], scale: NDArray[np.float32]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return weights and biases, those of the first layer for features as they are."""
    found = [
        (part.weight.detach().numpy().T.copy(), part.bias.detach().numpy().copy())
        for part in network
        if isinstance(part, nn.Linear)
    ]
    weight, bias = found[0]
    found[0] = weight / scale[:, None], bias - (mean / scale) @ weight
    return found


if __name__ == "__main__":
    sys.exit(main())
