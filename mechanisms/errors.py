"""What can go wrong in a market: one exception for a bad input, one for a failed solve."""


class MarketError(ValueError):
    """A field of a `Market` is impossible; the message names the field, index, value and limit."""


class MechanismError(RuntimeError):
    """A solver gave no answer; the message names the mechanism, the problem and what the solver
    said.

    A simulator may catch it and keep the last valid prices.
    """
