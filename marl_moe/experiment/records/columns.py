"""Columns of the tables of a run: the type and the documentation of each."""

from collections.abc import Iterable

import pyarrow as pa

from marl_moe.metrics import named

Columns = dict[str, tuple[pa.DataType, str]]


def _by_side(name: str, kind: pa.DataType, doc: str) -> Columns:
    """Return a column for each side; NaN for users where the mechanism only prices."""
    return {
        f"{name}_{side}": (kind, f"{doc}; {side.replace('_', ' ')}")
        for side in ("edge_devices", "users")
    }


SHARES: Columns = {
    "declined": (pa.float64(), "share of slots and users whose expert declined"),
    "walked_away": (
        pa.float64(),
        "share of slots and users who were allocated an expert and chose otherwise",
    ),
    "refused": (
        pa.float64(),
        "share of slots and users with a request that arrived and was refused",
    ),
}

POINT: Columns = {
    "seed": (pa.int64(), "seed of the training run"),
    "point": (pa.string(), "label of the sweep point, empty without a sweep"),
    "settings": (
        pa.string(),
        "what the sweep point sets, JSON: an object of values by their dotted keys, in the order "
        "of the sweep; {} without a sweep",
    ),
}

TRAINING = POINT | {
    "algorithm": (pa.string(), "name of what learns"),
    "epoch": (
        pa.int64(),
        "training iteration of RLlib, from 1; with sac an episode in every world",
    ),
    "env_steps": (pa.int64(), "slots of all worlds so far"),
    "agent_steps": (pa.int64(), "slots of all users of all worlds so far"),
    "lost_slots": (
        pa.float64(),
        "slots of all worlds that the epoch should have collected, less those that arrived: env "
        "runners were dead or silent; NaN: RLlib's stock algorithms, which collect others in "
        "their place",
    ),
    "updates": (pa.int64(), "gradient updates so far"),
    "seconds": (pa.float64(), "wall clock since training began, s"),
    "gain": (pa.float64(), "mean gain of the epoch, exploring policy, credits per slot and user"),
    "share_of_equilibrium": (
        pa.float64(),
        "gain over nash's in 32 worlds apart; NaN unless nash is to be evaluated",
    ),
    "utility": (pa.float64(), "mean utility of the requests completed in the epoch, credits"),
    "qos": (pa.float64(), "mean points delivered per slot and user"),
    "charge": (pa.float64(), "mean charge, credits per slot and user"),
    "energy_j": (pa.float64(), "mean energy, J per slot and user"),
    "transferred": (pa.float64(), "share of slots and users with a transfer"),
    "rejected": (pa.float64(), "share of slots and users with a rejected action"),
    **SHARES,
    "unit_price": (pa.float64(), "mean unit price over experts, credits per point"),
    "participation": (pa.float64(), "share of experts that participate"),
    "platform_balance": (pa.float64(), "charges less payments, credits per slot and user"),
    "critic_loss": (
        pa.float64(),
        "last update of the epoch, mean over modules, credits^2; NaN before learning, or without "
        "such a loss",
    ),
    "actor_loss": (pa.float64(), "as critic_loss, credits"),
    "temperature": (pa.float64(), "entropy weight alpha, mean over modules, credits per nat"),
    "entropy": (pa.float64(), "policy entropy, mean over the last batch and modules, nats"),
    "q_mean": (pa.float64(), "mean Q of the last batch, credits"),
}

EVALUATION = POINT | {
    "mechanism": (pa.string(), "name of what sets prices and payments"),
    "policy": (
        pa.string(),
        "what learned, such as sac: likeliest action; sac_stochastic: drawn; or a policy that does "
        "not learn",
    ),
    "setting": (
        pa.string(),
        "what the policy was tuned to, or how it computes; empty without a choice",
    ),
    "num_users": (pa.int64(), "users of the world"),
    "episode": (pa.int64(), "episode, from 0; the same world for every policy of a seed"),
    "utility": (pa.float64(), "mean utility of the requests completed, credits; NaN if none was"),
    "gain": (pa.float64(), "mean gain over abandoning, credits per slot and user"),
    "qos": (pa.float64(), "mean points delivered per slot and user"),
    "delay_s": (pa.float64(), "mean delay of transferred subtasks, s; NaN if none was"),
    "energy_j": (pa.float64(), "mean energy, J per slot and user"),
    "charge": (pa.float64(), "mean charge, credits per slot and user"),
    "unit_price": (
        pa.float64(),
        "payments over points delivered, credits per point; 0: free edge devices, NaN: nothing was "
        "delivered",
    ),
    "rejected": (pa.float64(), "share of slots and users with a rejected action"),
    **SHARES,
    "transferred": (pa.float64(), "share of slots and users with a transfer"),
    "requests": (pa.int64(), "requests completed"),
    "edge_utility": (
        pa.float64(),
        "payments less true costs of all edge devices, credits per slot",
    ),
    "platform_balance": (pa.float64(), "charges less payments, credits per slot"),
    "welfare": (
        pa.float64(),
        "gains, edge devices' utilities and platform balance, credits per slot and user",
    ),
    "worst_gain": (pa.float64(), "least gain of any user over the episode, credits per slot"),
    "jain": (
        pa.float64(),
        "Jain's index of users' gains over the episode, below 0 as 0; 1: equal, NaN: nobody gains",
    ),
    "clearings": (pa.int64(), "clearings of the market"),
    "failed_clearings": (
        pa.int64(),
        "of which the mechanism gave no answer and the last prices stood",
    ),
    "share_of_equilibrium": (
        pa.float64(),
        "gain over the mean gain of nash at this seed and point; NaN without it",
    ),
    "share_of_optimum": (
        pa.float64(),
        "gain over the mean gain of optimum at this seed and point; NaN without it",
    ),
    "converged": (
        pa.float64(),
        "share of slots in which nash reached an equilibrium; NaN for other policies",
    ),
    "regret": (
        pa.float64(),
        "most any user could gain by leaving nash alone in any slot, credits; NaN for others",
    ),
}

CLEARING = POINT | {
    "mechanism": (pa.string(), "name of what sets prices and payments"),
    "policy": (pa.string(), "policy under which the market was cleared"),
    "episode": (pa.int64(), "episode, from 0"),
    "slot": (pa.int64(), "slot in which the prices were set"),
    "num_slots": (pa.int64(), "slots they held for; sums below run over these"),
}

MARKET = CLEARING | {
    "expert": (pa.int64(), "edge device"),
    "unit_price": (pa.float64(), "credits per point"),
    "effort": (
        pa.float64(),
        "effort of the edge device at this price for a point of the demand told, 0..1; where "
        "effort is bought it answers each subtask by the work of that",
    ),
    "participates": (pa.bool_(), "whether it has effort for the demand told"),
    "demand": (pa.float64(), "full-effort points a slot that the mechanism was told"),
    "points": (pa.float64(), "points delivered"),
    "payment": (pa.float64(), "payment to the edge device, credits"),
    "cost": (pa.float64(), "its true cost, credits"),
    "edge_utility": (pa.float64(), "payment less cost, credits"),
    "platform_balance": (pa.float64(), "charges less payments of the whole clearing, credits"),
    "welfare": (
        pa.float64(),
        "of the whole market as decided, value less true cost at the demand told, or of the users "
        "allocated at full effort, credits per slot",
    ),
    "welfare_optimum": (
        pa.float64(),
        "the greatest that market allows, without regard to budget or band, as welfare",
    ),
    "status": (pa.string(), "how the clearing was solved, or why it failed"),
    "solve_seconds": (pa.float64(), "time of the clearing, all worlds of a batch together, s"),
}

MARKET_USERS = CLEARING | {
    "user": (pa.int64(), "user"),
    "charge": (pa.float64(), "paid, credits"),
    "utility": (pa.float64(), "gain over abandoning after the charge, credits"),
    "assigned": (pa.int64(), "expert that the mechanism assigned, -1: none, or it only prices"),
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

TABLES = {
    "training": TRAINING,
    "market": MARKET,
    "market_users": MARKET_USERS,
    "evaluation": EVALUATION,
    "audit": AUDIT,
    "regret": REGRET,
}

# Columns that older runs lack; theirs are NaN.
LATER = {
    "training": tuple(SHARES),
    "evaluation": tuple(SHARES),
    "audit": ("effort", "tried_edge_devices", "tried_users", *PLAY),
}

# Names that no metric and no callback may take: columns, and what TensorBoard shows beside them.
OF_TENSORBOARD = ("return", "agent_steps_per_second", "updates_per_second")
TAKEN = frozenset({*TRAINING, *EVALUATION, *OF_TENSORBOARD})
OVER = {"training": "the epoch", "evaluation": "the episode"}  # of the tables that metrics are in
LOGGED = "logged by the experiment's callbacks"  # documents columns of "training"


def metric_columns(table: str, metrics: Iterable[str]) -> Columns:
    """Return the columns of a table that an experiment's metrics have, in their order."""
    if table not in OVER:
        return {}
    return {
        metric.name: (pa.float64(), f"mean over {OVER[table]}: {metric.doc}; {metric.unit}")
        for metric in named(list(metrics))
    }


def logged_columns(names: Iterable[str]) -> Columns:
    """Return the columns of "training" that callbacks logged, in alphabetical order."""
    return {name: (pa.float64(), LOGGED) for name in sorted(names)}
