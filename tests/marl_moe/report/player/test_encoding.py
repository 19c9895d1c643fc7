"""Packed arrays are what went in: flags and counts exactly, numbers of pairs to 16 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marl_moe.report.player.encoding import exact, quantised, unpacked

NUMBERS = st.floats(-1e6, 1e6) | st.just(np.nan)


@given(arrays(np.float64, (3, 2, 4), elements=NUMBERS))
def test_a_quantised_number_is_off_by_a_65534th_of_the_greatest(array: np.ndarray) -> None:
    again = unpacked(quantised(array))
    np.testing.assert_array_equal(np.isnan(again), np.isnan(array))
    most = np.nanmax(np.abs(array), initial=0.0)
    off = np.nan_to_num(np.abs(again - array))
    assert (off <= most / 65534 * (1 + 1e-9) + 1e-300).all()


@pytest.mark.parametrize(
    "array",
    [
        np.array([[True, False]]),
        np.arange(-5, 300),
        np.array([0, 7], np.uint8),
        np.array([1.5, np.nan, -2.25]),
        np.zeros((0, 3)),
    ],
)
def test_what_16_bits_or_single_precision_hold_stays(array: np.ndarray) -> None:
    np.testing.assert_array_equal(unpacked(exact(array)), array)


def test_what_is_not_finite_is_nothing() -> None:
    again = unpacked(quantised(np.array([np.inf, -np.inf, 2.0])))
    np.testing.assert_array_equal(again, [np.nan, np.nan, 2.0])


def test_an_integer_of_more_than_16_bits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.40000 do not fit into 16 bits"):
        exact(np.array([0, 40000]))
