"""Classifiers of modulations: features of a signal, networks on them, and their mixture.

They need NumPy and SciPy alone, so that shipped weights can be tried anywhere; `measure.py` trains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve
from scipy.special import softmax
from waveforms import SAMPLES, SAMPLES_PER_SYMBOL, root_raised_cosine

Float = NDArray[np.floating]
Complex = NDArray[np.complexfloating]
Layers = Sequence[tuple[Float, Float]]  # weight (in, out) and bias (out,) of each

BINS = 40  # of the spectrum, about its middle
LINES = 8  # the highest of the spectrum of each power
EXPERTS = ("low", "high")
MOE, GATE, ALL_ROUND = "moe", "gate", "all_round"
CLASSIFIERS = (*EXPERTS, MOE, ALL_ROUND)


@dataclass(frozen=True)
class Classifiers:
    """Trained networks: the experts, their gate, and one that was trained without a gate.

    Attributes:
        layers: of each network, by its name; ReLU between them.
    """

    layers: Mapping[str, Layers]

    def probabilities(self, name: str, seen: Float) -> Float:
        """Return the probability of each modulation, (n, 8).

        That of the mixture is p(c | x) = sum_i g_i(x) p_i(c | x) (Jacobs, Jordan, Nowlan and Hinton
        1991).

        Args:
            name: one of CLASSIFIERS.
            seen: (n, F) features.
        """
        if name != MOE:
            return softmax(self._output(name, seen), axis=-1)
        gate = softmax(self._output(GATE, seen), axis=-1)
        of_experts = [self.probabilities(expert, seen) for expert in EXPERTS]
        return np.einsum("ne,enc->nc", gate, of_experts)

    def right(self, name: str, seen: Float, modulation: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the signals that a classifier takes for what they are, (n,)."""
        return self.probabilities(name, seen).argmax(axis=-1) == modulation

    def save(self, path: Path) -> None:
        """Write the weights."""
        arrays = {
            f"{name}.{place}.{part}": array
            for name, layers in self.layers.items()
            for place, layer in enumerate(layers)
            for part, array in zip(("weight", "bias"), layer, strict=True)
        }
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Classifiers":
        """Return what was saved."""
        layers: dict[str, list[tuple[Float, Float]]] = {}
        with np.load(path) as arrays:
            for key in arrays.files:
                name, _, part = key.split(".")
                if part == "weight":
                    bias = arrays[key.replace("weight", "bias")]
                    layers.setdefault(name, []).append((arrays[key], bias))
        return cls(layers)

    def _output(self, name: str, seen: Float) -> Float:
        *hidden, last = self.layers[name]
        for weight, bias in hidden:
            seen = np.maximum(seen @ weight + bias, 0)
        return seen @ last[0] + last[1]


def features(signals: Complex) -> NDArray[np.float32]:
    """Return what networks see of signals; none of it changes with the carrier's phase.

    They are the spectrum about its middle; and behind a matched filter at the best of 8 timings
    the energy at all timings, sorted amplitudes, and the highest lines in the spectra of the 2nd,
    4th and 8th powers, where the carriers of phase and amplitude modulation appear again (Swami
    and Sadler 2000 use cumulants of the fourth order).

    Args:
        signals: (n, SAMPLES).

    Returns:
        (n, F).
    """
    signals = _of_power_one(signals)
    spectrum = np.abs(np.fft.fftshift(np.fft.fft(signals), axes=-1)) / SAMPLES**0.5
    middle = (SAMPLES - BINS) // 2
    filtered = oaconvolve(signals, root_raised_cosine()[None], mode="same", axes=-1)
    by_timing = filtered.reshape(len(signals), -1, SAMPLES_PER_SYMBOL)
    energy = (np.abs(by_timing) ** 2).mean(axis=1)
    turned = (energy.argmax(axis=-1)[:, None] + np.arange(SAMPLES_PER_SYMBOL)) % SAMPLES_PER_SYMBOL
    symbols = _of_power_one(np.take_along_axis(by_timing, turned[:, None, :1], axis=-1)[..., 0])
    powers = [symbols**order for order in (2, 4)] + [(symbols / np.abs(symbols)) ** 8]
    return np.concatenate(
        [
            spectrum[:, middle : middle + BINS],
            np.take_along_axis(energy, turned, axis=-1),
            np.sort(np.abs(symbols), axis=-1),
            *map(_lines, powers),
            *(_lines(_of_power_one(filtered) ** order) for order in (2, 4)),
        ],
        axis=-1,
    ).astype(np.float32)


def _of_power_one(signals: Complex) -> Complex:
    return signals / np.sqrt((np.abs(signals) ** 2).mean(axis=-1, keepdims=True))


def _lines(samples: Complex) -> Float:
    """Return the highest lines of the spectrum, highest first, roots of them: (n, LINES)."""
    count = samples.shape[-1]
    spectrum = np.abs(np.fft.fft(samples, 2 * count)) / count
    return np.sqrt(-np.sort(-spectrum, axis=-1)[:, :LINES])
