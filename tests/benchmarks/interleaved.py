"""Speed of several variants in turn, A B A B, so that a slower machine slows all alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median

from report import Measurement, Told, say_nothing

Work = Callable[[], int]  # does a piece of work and returns how many units it was
Rates = dict[str, list[float]]  # units a second of each variant, round by round


def rates(
    variants: Mapping[str, Work], repeats: int, seconds: float, told: Told = say_nothing
) -> Rates:
    """Measure units a second of each variant in each round, of at least `seconds` and one piece.

    A piece of work of each comes before the first round, so that nothing is timed that happens once
    only.
    """
    measured: Rates = {name: [] for name in variants}
    for work in variants.values():
        work()
    for repeat in range(repeats):
        for name, work in variants.items():
            told(f"{name}, round {repeat + 1} of {repeats}")
            measured[name].append(_rate(work, seconds))
    return measured


def summary(
    benchmark: str, variant: str, quantity: str, unit: str, values: list[float]
) -> Measurement:
    """Return a row of the median, least and most of the rounds."""
    return Measurement(
        benchmark, variant, quantity, unit, median(values), min(values), max(values), len(values)
    )


def ratios(over: list[float], under: list[float]) -> list[float]:
    """Return the ratio of two variants in each round, in which both met the same machine."""
    return [one / other for one, other in zip(over, under, strict=True)]


def _rate(work: Work, seconds: float) -> float:
    done, began = 0, time.perf_counter()
    while True:
        done += work()
        passed = time.perf_counter() - began
        if passed >= seconds:
            return done / passed
