"""Columns of the tables of market studies: the type and the documentation of each."""

import pyarrow as pa

from marl_moe.experiment.records.point_columns import POINT, Columns


def _by_side(name: str, kind: pa.DataType, doc: str) -> Columns:
    """Return a column for each side; NaN for users where the mechanism only prices."""
    return {
        f"{name}_{side}": (kind, f"{doc}; {side.replace('_', ' ')}")
        for side in ("edge_devices", "users")
    }


_RESULTS: Columns = {
    "welfare": (pa.float64(), "value less true cost, credits per slot"),
    "welfare_ratio": (pa.float64(), "welfare over the greatest possible at true costs"),
    "payments": (pa.float64(), "paid to all edge devices, credits per slot"),
    "edge_utility": (pa.float64(), "payments less true costs, all edge devices, credits per slot"),
    "user_utility": (pa.float64(), "value less charges, all users, credits per slot"),
    "balance": (pa.float64(), "charges less payments, credits per slot"),
    "budget_kept": (pa.float64(), "share of markets in which charges keep the budget, 0..1"),
}
# All NaN, or empty, where it was not asked what edge devices end up reporting.
PLAY: Columns = {
    "report_factor": (
        pa.float64(),
        "factor on true costs that edge devices end up reporting, mean over them and their play",
    ),
    "report_mix": (
        pa.string(),
        "share of play that each factor has, JSON: a list of [factor, share]; empty: not asked",
    ),
    "report_least": (pa.float64(), "share of play at the smallest factor that may be reported"),
    "report_most": (pa.float64(), "share of play at the largest factor that may be reported"),
    "exploitability": (
        pa.float64(),
        "gain of an edge device by the best fixed factor over its play, mean, credits per slot",
    ),
    "exploitability_share": (pa.float64(), "the same over the mean utility of an edge device"),
    "truth_regret": (
        pa.float64(),
        "gain by the best fixed factor over the truth, others playing, mean, credits per slot",
    ),
    **{
        f"{how}_{name}": (kind, f"{words}: {doc}; mean over markets")
        for how, words in (("promised", "all truthful"), ("played", "as edge devices end up"))
        for name, (kind, doc) in _RESULTS.items()
    },
}

AUDIT = POINT | {
    "mechanism": (pa.string(), "mechanism audited"),
    "strategic": (pa.string(), "sides whose reports it expects to be chosen in their own interest"),
    "effort": (
        pa.string(),
        "bought or enforced, as market.effort of the markets says; claims are those made for it",
    ),
    "claims_incentive_compatible": (
        pa.string(),
        "fields of sides, or sides, for which it claims that the truth is best",
    ),
    "claims_individually_rational": (
        pa.string(),
        "sides on which it claims that nobody who is truthful loses",
    ),
    "claims_budget_balanced": (pa.bool_(), "claims that charges cover payments"),
    "claims_within_budget": (pa.bool_(), "claims that charges keep the budget"),
    "claims_efficient": (pa.bool_(), "claims the greatest welfare"),
    "condition": (pa.string(), "what its claims ask of a market; empty: nothing"),
    "violations": (pa.string(), "claims that the audit contradicts, with the number; empty: none"),
    "markets": (pa.int64(), "markets measured: those whose truthful reports cleared"),
    "misreports": (
        pa.int64(),
        "misreports that a search tried, an agent and field, beyond those of a known kind",
    ),
    "clearings": (pa.int64(), "markets cleared in all"),
    "failed_clearings": (pa.int64(), "of these, in which the solver gave no answer"),
    **_by_side("agents", pa.float64(), "agents searched for a profitable misreport"),
    **_by_side("tried", pa.float64(), "misreports tried for each of them, in all fields"),
    **_by_side(
        "regret_mean",
        pa.float64(),
        "mean gain by the best misreport found in any field, credits per slot; a lower bound",
    ),
    **_by_side("regret_max", pa.float64(), "greatest such gain, credits per slot; a lower bound"),
    **_by_side(
        "min_utility", pa.float64(), "least utility of anyone who is truthful, credits per slot"
    ),
    "budget_balance": (pa.float64(), "charges less payments, mean over markets, credits per slot"),
    "budget_balance_min": (pa.float64(), "the same in the worst market"),
    "budget_excess_max": (
        pa.float64(),
        "charges above the budget in the worst market, credits per slot",
    ),
    "payments": (pa.float64(), "to all edge devices, mean over markets, credits per slot"),
    "welfare": (pa.float64(), "value less true cost, mean over markets, credits per slot"),
    "welfare_ratio": (pa.float64(), "welfare over the greatest possible"),
    **_by_side("jain", pa.float64(), "Jain's fairness of utilities, mean over markets, 0..1"),
    **_by_side(
        "envy_max", pa.float64(), "most anyone would gain in another's place, credits per slot"
    ),
    **_by_side("participation", pa.float64(), "share with positive effort, share served"),
    "solve_seconds": (pa.float64(), "to clear one market, s"),
    **PLAY,
}

REGRET = POINT | {
    "mechanism": (pa.string(), "mechanism audited"),
    "effort": (pa.string(), "bought or enforced, as market.effort of the markets says"),
    "side": (pa.string(), "who reports: edge_devices or users"),
    "field": (pa.string(), "what is reported, such as costs or value; all else is told truly"),
    "claimed": (pa.bool_(), "whether the mechanism claims that the truth is best"),
    "agents": (pa.int64(), "agents searched"),
    "misreports": (pa.int64(), "misreports tried for each of them"),
    "regret_mean": (
        pa.float64(),
        "mean gain by the best misreport found, credits per slot; a lower bound",
    ),
    "regret_max": (pa.float64(), "greatest such gain, credits per slot; a lower bound"),
    "grid_share": (
        pa.float64(),
        "regret found over that of an exhaustive grid, in the first markets; NaN: no grid",
    ),
    "worst_market": (pa.int64(), "market of the greatest gain, among those sampled, from 0"),
    "worst_agent": (pa.int64(), "edge device or user of the greatest gain"),
    "worst_report": (pa.string(), "what it tells, JSON: a list of numbers in the field's unit"),
}
