"""Errors of a market: one for a bad input, one for a failed solve."""


class MarketError(ValueError):
    """A field of a `Market` is impossible; the message names the field, index, value and limit."""


class MechanismError(RuntimeError):
    """A solver gave no answer; the message names mechanism and problem, and quotes the solver.

    A simulator may catch it and keep the last valid prices.
    """
