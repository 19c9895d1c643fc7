"""Speed of env runners and learners in processes of their own, and the bytes that they send.

Beside the measured rates stands a model of training, in which collecting and learning take turns,
as they do in `WorldSac.training_step`: a second of training with R runners and L learners makes

    rate = 1 / (1 / (steps collected a second by R) + replay ratio / (batch x updates a second by
    L))

agent steps, so that more runners help up to batch x updates a second / replay ratio, where the
learners saturate.
"""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from interleaved import rates, summary
from matplotlib.figure import Figure
from ray import cloudpickle
from report import Measurement, Told, say_nothing, single
from update_speed import AT_ONCE, built

from envs.roles.levers import USERS
from marl_moe.rllib.collection import collect
from paper_figures import style

NUM_USERS, NUM_EXPERTS = 16, 30
# Remote env runners and learners; 0: the training's own process.
SIZES = ((0, 0), (1, 0), (2, 0), (0, 1), (0, 2))
BATCH = 256  # transitions of an update, of all learners together
COLLECTING, LEARNING, TRAINING, MODELLED = (
    "collecting",
    "learning",
    "training",
    "training, by the model",
)
RUNNERS_DRAWN = 2 ** np.arange(7)
COLOURS = {0.1: "#DDAA33", 0.5: "#004488", 2.0: "#BB5566"}  # by replay ratio


def measure(
    sizes: Sequence[tuple[int, int]] = SIZES,
    repeats: int = 5,
    seconds: float = 1.0,
    told: Told = say_nothing,
) -> list[Measurement]:
    """Measure steps and updates a second by runners and learners, and bytes; add the model."""
    rows: list[Measurement] = []
    algorithms = {size: _built(*size) for size in sizes}
    works = {  # all in turn, since the model joins the rates of all three
        f"{quantity}: {_variant(*size)}": work(algorithm)
        for size, algorithm in algorithms.items()
        for quantity, work in (
            (COLLECTING, _collecting),
            (LEARNING, _learning),
            (TRAINING, _training),
        )
    }
    for name, values in rates(works, repeats, seconds, told).items():
        quantity, variant = name.split(": ")
        unit = "updates/s" if quantity == LEARNING else "agent steps/s"
        rows.append(summary("cluster", variant, quantity, unit, values))
    ratio = algorithms[sizes[0]].config.training_intensity
    for size in sizes:
        collected, updates = (
            _median(rows, _variant(*size), quantity) for quantity in (COLLECTING, LEARNING)
        )
        value = training_rate(collected, updates, ratio)
        rows.append(single("cluster", _variant(*size), MODELLED, "agent steps/s", value))
    rows += _bytes(algorithms[sizes[0]])
    for algorithm in algorithms.values():
        algorithm.stop()
    return rows


def training_rate(collected: Any, updates: float, ratio: float) -> Any:
    """Return agent steps a second of training, in which collecting and learning take turns."""
    return 1 / (1 / collected + ratio / (BATCH * updates))


def draw(table: pd.DataFrame) -> Figure:
    """Draw training as measured and as modelled, and the model for more runners."""
    table = table[table["benchmark"] == "cluster"].set_index(["quantity", "variant"])["median"]
    variants = [variant for quantity, variant in table.index if quantity == TRAINING]
    with plt.rc_context(style.DOUBLE_COLUMN):
        figure, (left, right) = plt.subplots(1, 2, layout="constrained")
    place = np.arange(len(variants))
    for shift, quantity, colour in ((-0.2, TRAINING, "#004488"), (0.2, MODELLED, "#BB5566")):
        left.bar(
            place + shift, table[quantity][variants] / 1000, width=0.4, color=colour, label=quantity
        )
    left.set_xticks(place, [variant.replace(", ", "\n") for variant in variants])
    left.set_ylabel("Thousand agent steps/s")
    left.legend()
    runner, learner = table[COLLECTING, _variant(1, 0)], table[LEARNING, _variant(0, 0)]
    for ratio, colour in COLOURS.items():
        curve = training_rate(RUNNERS_DRAWN * runner, learner, ratio)
        right.plot(
            RUNNERS_DRAWN, curve / 1000, color=colour, marker=".", label=f"replay ratio {ratio:g}"
        )
        right.axhline(BATCH * learner / ratio / 1000, color=colour, linestyle=":", linewidth=0.8)
    right.set(xlabel="Env runners, by the model", xscale="log", yscale="log", ylim=(5, None))
    right.set_xticks(RUNNERS_DRAWN, [f"{number}" for number in RUNNERS_DRAWN])
    right.set_yticks((5, 10, 20, 50, 100, 200), ("5", "10", "20", "50", "100", "200"))
    right.minorticks_off()
    right.legend()
    return figure


def _built(runners: int, learners: int) -> Any:
    """Build a training whose runners and learners claim no cores: one size works at a time."""
    return built(
        NUM_USERS,
        NUM_EXPERTS,
        env_runners={"num_env_runners": runners, "num_cpus_per_env_runner": 0},
        learners={"num_learners": learners, "num_cpus_per_learner": 0},
        training={"train_batch_size_per_learner": BATCH // max(1, learners)},
    )


def _variant(runners: int, learners: int) -> str:
    return ", ".join(
        f"{count} {role}{'' if count == 1 else 's'}"
        for count, role in ((runners, "runner"), (learners, "learner"))
    )


def _collecting(algorithm: Any) -> Callable[[], int]:
    return lambda: sum(
        int(fragment.starts.sum()) * fragment.action[0].size for fragment in collect(algorithm)
    )


def _learning(algorithm: Any) -> Callable[[], int]:
    def work() -> int:
        algorithm._send_out([algorithm._update(USERS, AT_ONCE)])
        return AT_ONCE

    return work


def _training(algorithm: Any) -> Callable[[], int]:
    def work() -> int:
        before = algorithm._agent_steps()
        algorithm.train()
        return algorithm._agent_steps() - before

    return work


def _median(rows: list[Measurement], variant: str, quantity: str) -> float:
    return next(row.median for row in rows if (row.variant, row.quantity) == (variant, quantity))


def _bytes(algorithm: Any) -> list[Measurement]:
    """Return the bytes that are sent, as sent and by formula."""
    (fragment,) = collect(algorithm)
    rows, agents = len(fragment.starts), fragment.action[0].size
    features = fragment.observation.shape[-1]
    slot = agents * (4 * features + 8 + 4) + 1
    batch = BATCH * (2 * 4 * features + 8 + 3 * 4)
    networks = algorithm.networks()["shared"]
    weights = {name: 4 * value.numel() for name, value in networks.items()}
    actor = sum(size for name, size in weights.items() if name.startswith("actor."))
    learned = actor + sum(size for name, size in weights.items() if name.startswith("critic."))
    told = (
        ("a slot of a runner", "sent", len(cloudpickle.dumps(fragment)) / rows),
        ("a slot of a runner", "formula", slot),
        ("an update", "batch, formula", batch),
        ("an update", "gradients of each learner, formula", learned),
        ("an update of several", "weights to each runner, formula", actor),
    )
    return [
        single("cluster", variant, quantity, "bytes", value) for variant, quantity, value in told
    ]
