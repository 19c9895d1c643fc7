"""The kit for channel processes finds the faults that it is made for, and passes what has none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from envs import ChannelConfig
from envs.channel import Arrays, ChannelProcess
from envs.testing import check_channel


class Plain(ChannelProcess):
    """A process without fault: SNRs about a mean of each pair."""

    def large_scale(self, shape: Any, users: Arrays, experts: Arrays, rng: Any) -> Arrays:
        return {"mean": rng.normal(10, 3, shape).astype(np.float32)}

    def mean_db(self, state: Arrays) -> Any:
        return state["mean"]

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": state["mean"] + rng.normal(0, 3, shape).astype(np.float32)}


class Unseeded(Plain):
    def small_scale(self, shape: Any, state: Arrays, rng: Any) -> Arrays:
        return super().small_scale(shape, state, np.random.default_rng())


class Global(Plain):
    def small_scale(self, shape: Any, state: Arrays, rng: Any) -> Arrays:
        return {"snr_db": np.random.normal(0, 3, shape).astype(np.float32)}  # noqa: NPY002


class SeededOnItsOwn(Plain):
    def small_scale(self, shape: Any, state: Arrays, rng: Any) -> Arrays:
        noise = np.random.default_rng(3).normal(0, 3, shape)
        return {"snr_db": noise.astype(np.float32)}


class PartlySeededOnItsOwn(Plain):
    def large_scale(self, shape: Any, users: Arrays, experts: Arrays, rng: Any) -> Arrays:
        return super().large_scale(shape, users, experts, np.random.default_rng(3))


class Forgetful(Plain):
    """Keeps its last slot in itself, and not in the arrays."""

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        self.last = super().small_scale(shape, state, rng)["snr_db"]
        return {"snr_db": self.last.copy()}

    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        self.last = 0.9 * self.last + 0.1 * state["mean"]
        return {"snr_db": self.last.copy()}


class Counting(Plain):
    """Counts its slots in itself, over the ends of episodes."""

    slots = 0

    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        self.slots += 1
        return {"snr_db": state["mean"] + np.float32(self.slots)}


class OfAnyShape(Plain):
    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": rng.normal(0, 3, shape[1:]).astype(np.float32)}


class OfOneUser(Plain):
    def snr_of(self, state: Arrays) -> Any:
        return state["snr_db"][:, :1]


class OfItsFirstShape(Plain):
    """Remembers the number of columns that it began with."""

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        self.shape = shape
        return super().small_scale(shape, state, rng)

    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        return {"snr_db": rng.normal(0, 3, self.shape).astype(np.float32)}


class Double(Plain):
    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": rng.normal(0, 3, shape)}


class DoubleState(Plain):
    def large_scale(self, shape: Any, users: Arrays, experts: Arrays, rng: Any) -> Arrays:
        return {"mean": rng.normal(10, 3, shape)}

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": state["mean"].astype(np.float32)}


class DoubleLater(Plain):
    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        return {"snr_db": rng.normal(0, 3, shape)}


class InPlace(Plain):
    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        state["snr_db"] += np.float32(1)
        return {"snr_db": state["snr_db"]}


class Reusing(Plain):
    """Writes every slot into the same array, and gives a view of it."""

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        self.buffer = super().small_scale(shape, state, rng)["snr_db"]
        return {"snr_db": self.buffer[:]}

    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        self.buffer[...] = super().small_scale(shape, state, rng)["snr_db"]
        return {"snr_db": self.buffer[:]}


class Silent(Plain):
    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        power = rng.standard_exponential(shape) - 0.5
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"snr_db": (10 * np.log10(np.maximum(power, 0))).astype(np.float32)}


class Named(Plain):
    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return super().small_scale(shape, state, rng) | {"mean": state["mean"]}


class Appearing(Plain):
    def following(self, shape: Any, state: Arrays, slot_s: float, rng: Any) -> Arrays:
        return {"speed": np.zeros(shape, np.float32)}


class ListedByNothing(Plain):
    def mean_db(self, state: Arrays) -> Any:
        return state["mean"][..., :2]


class Bare(Plain):
    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return super().small_scale(shape, state, rng)["snr_db"]  # type: ignore[return-value]


class OfNoNumbers(Plain):
    def large_scale(self, shape: Any, users: Arrays, experts: Arrays, rng: Any) -> Arrays:
        return super().large_scale(shape, users, experts, rng) | {
            "kind": np.full(shape, "LOS", object)
        }


class Constant(Plain):
    def large_scale(self, shape: Any, users: Arrays, experts: Arrays, rng: Any) -> Arrays:
        return {"mean": np.full(shape, 7, np.float32)}

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": state["mean"].copy()}


FAULTS: dict[type[ChannelProcess], str] = {
    Unseeded: "two builds from one seed differ: something is drawn from a generator other than",
    Global: "two builds from one seed differ: something is drawn from a generator other than",
    SeededOnItsOwn: "'snr_db' is the same under another seed: it is drawn from"
    " a generator other than",
    PartlySeededOnItsOwn: "'mean' is the same under another seed",
    Forgetful: "does not go on from its state: what matters to the next slot is kept outside",
    Counting: "a second episode from the same seed differs: the process keeps something",
    OfAnyShape: r"small_scale gave 'snr_db' of shape \(4, 5\), expected \(3, 4, 5\)",
    OfOneUser: r"the SNR has shape \(3, 1, 5\), expected \(3, 4, 5\)",
    OfItsFirstShape: r"following gave 'snr_db' as float32 of shape \(3, 4, 5\)",
    Double: r"'snr_db' is float64, should be in single precision",
    DoubleState: r"'mean' is float64, should be in single precision",
    DoubleLater: r"following gave 'snr_db' as float64 .*, the first slot as float32",
    InPlace: "writes into an array that it is given",
    Reusing: "the SNR of a slot changes with the next",
    Silent: "the SNR should be finite, -200 to 200 dB, got -inf",
    Named: "two methods give an array of the name 'mean'",
    Appearing: "following gave 'speed', which the first slot does not have",
    ListedByNothing: r"mean_db should be finite and of shape \(3, 4, 7\)",
    Bare: "small_scale should return arrays by name, got ndarray",
    OfNoNumbers: "'kind' holds no numbers: object",
    Constant: "another seed gives the same SNR",
}


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_a_fault_is_found_and_named(kind: Callable[[], ChannelProcess]) -> None:
    with pytest.raises(AssertionError, match=FAULTS[kind]):  # type: ignore[index]
        check_channel(kind())


def test_processes_without_fault_pass() -> None:
    check_channel(Plain())
    check_channel(Constant(), random=False)


@pytest.mark.parametrize(
    "channel",
    [
        "iid",
        ChannelConfig(ber="qam", snr_db=(-60, 60)),
        ChannelConfig(process="gauss_markov", correlation=0.9),
        ChannelConfig(process="gauss_markov", speed_m_s=1.0, sigma_db=0.0),
    ],
)
def test_the_processes_of_the_package_pass(channel: ChannelConfig | str) -> None:
    check_channel(channel)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no channel process 'idd'; did you mean 'iid'"):
        check_channel("idd")
