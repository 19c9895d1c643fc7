"""An outcome adds up, and is taken apart market by market."""

import dataclasses

import numpy as np
import pytest

from mechanisms import Allocation, Outcome


def outcome(payment: list[float], charge: list[float] | None) -> Outcome:
    zeros = np.zeros(len(payment))
    allocation = None
    if charge is not None:
        nobody = np.full(len(charge), -1)
        allocation = Allocation(nobody, np.array(charge), np.zeros(len(charge)))
    return Outcome(
        unit_price=zeros,
        effort=zeros,
        points=zeros,
        payment=np.array(payment),
        welfare=np.zeros(()),
        status="optimal",
        solve_seconds=0.0,
        allocation=allocation,
    )


@pytest.mark.parametrize(
    ("charge", "balance"), [([4.0, 3.0, 0.5], 1.5), ([1.0], -5.0), ([], -6.0), (None, 0.0)]
)
def test_the_balance_is_charges_less_payments(charge: list[float] | None, balance: float) -> None:
    assert outcome([2.0, 4.0], charge).balance == pytest.approx(balance)


def test_the_balance_has_one_entry_a_world() -> None:
    one = outcome([2.0, 4.0], [1.0])
    batch = dataclasses.replace(
        one,
        payment=np.array([[1.0, 1.0], [2.0, 3.0]]),
        effort=np.ones((2, 2)),
        allocation=Allocation(
            np.zeros((2, 1), dtype=int), np.array([[2.5], [4]]), np.zeros((2, 1))
        ),
    )
    assert batch.balance.tolist() == [0.5, -1.0]
    half = dataclasses.replace(batch, effort=np.array([[1.0, 0.0], [0.5, 0.0]]))
    assert half.balance.tolist() == [0.5, -3.0]  # a charge is that of full effort


def test_the_outcome_of_one_market_has_that_markets_entries() -> None:
    one = outcome([2.0, 4.0], [1.0])
    batch = one.map(lambda array: np.stack([array, array + 1]))
    assert batch.world(1).payment.tolist() == [3.0, 5.0]
    assert batch.world(1).allocation.expert.tolist() == [0]
    assert batch.world(1).allocation.charge.tolist() == [2.0]
    assert batch.status == "optimal"
    assert set(batch.arrays()) == {
        "unit_price",
        "effort",
        "points",
        "payment",
        "welfare",
        "expert",
        "charge",
        "pair_price",
    }
