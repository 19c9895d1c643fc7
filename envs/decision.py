"""What a mechanism decides for a market of worlds, or in what way its code fails."""

import numpy as np

from mechanisms import Market, MarketError, Mechanism, MechanismError, Outcome, PartError
from mechanisms.errors import described
from mechanisms.outcome import fault_of


def decided(mechanism: Mechanism, market: Market) -> Outcome:
    """Return what a mechanism decides.

    Raises:
        MarketError: the market lacks what the mechanism needs.
        MechanismError: it gave no answer, or one that is not finite.
        PartError: its code failed, or gave what is no outcome.
    """
    name = mechanism.name
    try:
        outcome = mechanism.clear(market)
        fault = fault_of(outcome, market, mechanism.allocates)
    except (MarketError, MechanismError):
        raise
    except Exception as error:  # of whatever a mechanism does
        raise PartError(f"mechanism {name}: {described(error)}") from error
    if fault:
        raise PartError(f"mechanism {name}: {fault}")
    return _finite(outcome, name)


def _finite(outcome: Outcome, mechanism: str) -> Outcome:
    """Return the outcome.

    Raises:
        MechanismError: a price, an effort or a charge of it is not finite.
    """
    arrays = outcome.arrays()
    for name in ("unit_price", "effort", "charge", "pair_price", "duty_price"):
        values = arrays.get(name)
        if values is not None and not np.isfinite(values).all():
            place = ", ".join(map(str, np.argwhere(~np.isfinite(values))[0]))
            raise MechanismError(f"{mechanism}: {name}[{place}] is not finite")
    return outcome
