"""Prices and payments for edge experts.

The question is how much edge devices must be paid, per point of quality, to take part. A mechanism
reads a `Market` (reported costs, demand, values, a budget; `UserReports` where it allocates) and
decides an `Outcome` (prices, efforts, payments; an `Allocation`). All are arrays, and every array
may carry leading axes, one entry a world:

    >>> import numpy as np, mechanisms
    >>> market = mechanisms.Market(
    ...     unit_cost=np.array([0.5, 1.0, 3.0]),  # credits/point
    ...     cost_slope=np.array([1.0, 1.0, 1.0]),  # credits/point
    ...     demand=np.array([2.0, 2.0, 1.0]),  # points/slot
    ...     value=np.array([3.0, 3.0, 3.0]),  # credits/point
    ...     budget=np.array(4.0),  # credits/slot
    ... )
    >>> outcome = mechanisms.make("posted_price").clear(market)
    >>> outcome.unit_price
    array([1.5, 1.5, 1.5])
    >>> outcome.effort
    array([1. , 0.5, 0. ])

`Market.effort` says whether edge devices answer the price with their best response, as here
("bought"), or give what the mechanism orders ("enforced"). Costs are those of `Market.work`, which
is the demand where it is left out.

`names()` lists the mechanisms. A new one is a class that follows `Mechanism`, decorated with
`@register(name)` and imported here; its docstring states its program, its guarantee and the
condition on it, who is strategic, and its source.
"""

from mechanisms.auditing.audit import audit
from mechanisms.auditing.report import AuditReport, FieldRegret, Misreport
from mechanisms.auditing.violations import violations
from mechanisms.base import Mechanism, make, names, register
from mechanisms.budgeted_price import BudgetedPrice
from mechanisms.claims import Claims, Side
from mechanisms.contract import Contract
from mechanisms.convex import ConvexMechanism, ConvexProgram, Given
from mechanisms.cost_plus import CostPlus
from mechanisms.double_auction import DoubleAuction
from mechanisms.duty import Duties, DutyOrder
from mechanisms.effort import Effort
from mechanisms.errors import MarketError, MechanismError, PartError
from mechanisms.expert_reports import ExpertReports
from mechanisms.fisher import Fisher
from mechanisms.market import Market
from mechanisms.none import FreeExperts, is_free
from mechanisms.outcome import Allocation, Outcome
from mechanisms.posted_price import PostedPrice
from mechanisms.proportional_share import ProportionalShare
from mechanisms.shadow_price import ShadowPrice
from mechanisms.strategic.equilibrium import ReportEquilibrium, report_equilibrium
from mechanisms.supply import best_response, cost, outcome_at_prices, welfare
from mechanisms.user_reports import UserReports
from mechanisms.vcg import VCG

__all__ = [
    "VCG",
    "Allocation",
    "AuditReport",
    "BudgetedPrice",
    "Claims",
    "Contract",
    "ConvexMechanism",
    "ConvexProgram",
    "CostPlus",
    "DoubleAuction",
    "Duties",
    "DutyOrder",
    "Effort",
    "ExpertReports",
    "FieldRegret",
    "Fisher",
    "FreeExperts",
    "Given",
    "Market",
    "MarketError",
    "Mechanism",
    "MechanismError",
    "Misreport",
    "Outcome",
    "PartError",
    "PostedPrice",
    "ProportionalShare",
    "ReportEquilibrium",
    "ShadowPrice",
    "Side",
    "UserReports",
    "audit",
    "best_response",
    "cost",
    "is_free",
    "make",
    "names",
    "outcome_at_prices",
    "register",
    "report_equilibrium",
    "violations",
    "welfare",
]
