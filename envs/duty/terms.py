"""What each expert does of its duty from one clearing to the next, and what it is paid for it."""

from typing import NamedTuple

from envs.arrays import Bool, Float


class DutyTerms(NamedTuple):
    """The duty of the experts of N worlds in force, (N, E) each.

    Attributes:
        share: of the slot's time that it takes.
        achieved: in units of the duty.
        cost: to the edge device, credits a slot.
        payment: to the edge device, credits a slot.
    """

    share: Float
    achieved: Float
    cost: Float
    payment: Float

    def done_by(self, up: Bool) -> "DutyTerms":
        """Return what is done in a slot in which these experts (N, E) are up."""
        return DutyTerms(*(amount * up for amount in self))
