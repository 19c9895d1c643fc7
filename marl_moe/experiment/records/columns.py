"""Columns of the tables of a run: the type and the documentation of each."""

from collections.abc import Iterable

import pyarrow as pa

from marl_moe.experiment.records.point_columns import POINT, Columns
from marl_moe.experiment.records.study_columns import AUDIT, PLAY, REGRET
from marl_moe.metrics import named

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

LEVERS: Columns = {
    "report_factor": (
        pa.float64(),
        "factor on its costs that an edge device reported, mean over clearings but the first, "
        "before which nobody can choose; 1 where none learns",
    ),
    "value_factor": (
        pa.float64(),
        "factor on the worth of a point that the platform chose, likewise; 1 where it does not "
        "learn",
    ),
    "margin": (
        pa.float64(),
        "share of their charge that users pay on top by the platform's choice, likewise; 0 where "
        "it does not learn",
    ),
}

SIDES: Columns = {
    "edge_devices_reward": (
        pa.float64(),
        "payment less cost, mean over edge devices and intervals between clearings but the first, "
        "credits an interval; this and what follows NaN where neither edge devices nor the "
        "platform learn",
    ),
    "platform_reward": (
        pa.float64(),
        "what the platform aims at (`env.roles.platform_reward`), mean over intervals, credits an "
        "interval and user",
    ),
    **LEVERS,
    **{
        f"{role}_{metric}": (pa.float64(), f"{doc} of {who}; NaN where they do not learn by SAC")
        for role, who in (("edge_devices", "edge devices"), ("platform", "the platform"))
        for metric, doc in (
            ("updates", "gradient updates so far"),
            ("critic_loss", "loss of the critics, last update of the epoch, variances of reward,"),
            ("temperature", "entropy weight, standard deviations of reward per nat,"),
            ("entropy", "entropy of the policy, last batch, nats,"),
        )
    },
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
        "gain over nash's in 32 worlds apart; NaN unless nash is to be evaluated, or where edge "
        "devices or the platform learn",
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
    "actor_loss": (
        pa.float64(),
        "last update of the epoch, mean over modules, credits; NaN before learning, or without "
        "such a loss",
    ),
    "temperature": (pa.float64(), "entropy weight alpha, mean over modules, credits per nat"),
    "entropy": (pa.float64(), "policy entropy, mean over the last batch and modules, nats"),
    "q_mean": (pa.float64(), "mean Q of the last batch, credits"),
    **SIDES,
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
        "payments, those for duties included, over points delivered, credits per point; 0: free "
        "edge devices, NaN: nothing was delivered",
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
    **LEVERS,
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
        "share of slots in which nash or mean_field reached an equilibrium, or in which optimum is "
        "exact, elsewhere a lower bound; NaN for others",
    ),
    "regret": (
        pa.float64(),
        "most any user could gain by leaving nash alone in any slot, credits; NaN for others",
    ),
}

DUTY: Columns = {
    "duty_share": (pa.float64(), "share of a slot that its duty takes; NaN: it has none"),
    "duty_achieved": (
        pa.float64(),
        "what it achieves of its duty in a slot in which it is up, in units of the duty; NaN: none",
    ),
    "duty_payment": (
        pa.float64(),
        "paid for that, credits a slot, and a part of `payment`; NaN: it has no duty",
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
    "report_factor": (pa.float64(), "factor on its costs that it reported, 1: none"),
    "value_factor": (pa.float64(), "factor on the worth of a point that the platform chose"),
    "margin": (pa.float64(), "share of their charge that users pay on top"),
    **DUTY,
    "demand": (pa.float64(), "full-effort points a slot that the mechanism was told"),
    "points": (pa.float64(), "points delivered"),
    "payment": (pa.float64(), "payment to the edge device, that for its duty included, credits"),
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

EXPLOITABILITY = POINT | {
    "role": (pa.string(), "users, edge_devices or platform"),
    "agent": (pa.int64(), "the agent that deviates, one in each episode"),
    "episode": (pa.int64(), "evaluation episode, from 0"),
    "reward": (
        pa.float64(),
        "of the agent where all play as they were trained, credits a slot; of the platform a slot "
        "and user",
    ),
    "deviating_reward": (
        pa.float64(),
        "of the agent in the same world where it plays what it learned alone against all others",
    ),
    "gain": (pa.float64(), "the difference: what it has left to gain, found by SAC, at least"),
}

TABLES = {
    "training": TRAINING,
    "market": MARKET,
    "market_users": MARKET_USERS,
    "evaluation": EVALUATION,
    "exploitability": EXPLOITABILITY,
    "audit": AUDIT,
    "regret": REGRET,
}

# Columns that older runs lack; theirs are NaN.
LATER = {
    "training": (*SHARES, *SIDES),
    "evaluation": (*SHARES, *LEVERS),
    "market": (*LEVERS, *DUTY),
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
