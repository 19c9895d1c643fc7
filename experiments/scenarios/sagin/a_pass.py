"""Play passes: prices by group, one pass over time, and transfers that outlast theirs.

    python experiments/scenarios/sagin/a_pass.py

Writes `a_pass.csv` and `prices.csv` beside this file and `docs/figures/sagin_pass.png`, of worlds
under shadow_price whose users take what they are allocated. Prints how many transfers outlast a
pass where experts are free.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import mechanisms
from envs import World, WorldConfig
from envs.groups import members
from marl_moe.experiment.spec.reading import load_experiment

HERE = Path(__file__).parent
PICTURE = HERE.parents[2] / "docs/figures/sagin_pass.png"
DISTANCES_M = (0, 500, 1000, 2000, 4000)
CELLS_M = (250.0, 250.0)
WORLDS = 8
CLEAR_DEG = 10.0


def world_at(
    distance_m: float, num_worlds: int, mechanism: str = "shadow_price", **orbit: object
) -> World:
    """Return worlds of the study whose users are at a distance from the cells."""
    env = load_experiment("sagin").env.as_dict()
    users = env["channel"]["geometry"]["users"]
    users["placement"]["centres"] = [[CELLS_M[0] + distance_m, CELLS_M[1]]]
    env["expert_groups"]["satellite"]["mobility"] |= orbit
    env["experts"]["handover"] = "lost" if mechanism == "shadow_price" else "continue"
    return World(WorldConfig(**env), num_worlds, 0, mechanisms.make(mechanism))


def play(world: World) -> None:
    """Play a slot: users take what they are allocated."""
    allocated = world.slot.offer.allocation.expert
    world.step(np.where(allocated >= 0, allocated, world.num_candidates))


def prices() -> pd.DataFrame:
    """Return what a point costs and how many subtasks are served, by distance and group."""
    rows = []
    for distance_m in DISTANCES_M:
        world = world_at(distance_m, WORLDS)
        group = np.array([name for name, _ in members(world.config.expert_groups, 18)])
        paid = {name: [0.0, 0.0, 0.0, 0.0] for name in dict.fromkeys(group)}
        while not world.done:
            slot, allocated = world.slot, world.slot.offer.allocation.expert
            charge, points = slot.offer.allocation.charge, slot.offer.full_points
            own = np.where(allocated >= 0, group[allocated], "")
            for name, sums in paid.items():
                mine = own == name
                cost = slot.conditions.pool.full_effort_cost[np.arange(WORLDS)[:, None], allocated]
                cost = cost * slot.conditions.reference_points
                sums[0] += charge[mine].sum()
                sums[1] += points[mine].sum()
                sums[2] += cost[mine].sum()
                sums[3] += mine.sum()
            play(world)
        for name, (charge_sum, point_sum, cost_sum, served) in paid.items():
            rows.append(
                {
                    "distance_m": distance_m,
                    "group": name,
                    "served_a_slot": served / (WORLDS * 150),
                    "charge_a_point": charge_sum / point_sum if served else np.nan,
                    "cost_a_point": cost_sum / point_sum if served else np.nan,
                    "scarcity_a_point": (charge_sum - cost_sum) / point_sum if served else np.nan,
                }
            )
    return pd.DataFrame(rows)


def one_pass() -> pd.DataFrame:
    """Return a pass that culminates in the middle of the episode, a row for each slot."""
    world, rows = world_at(4000, 1, first_s=[450, 450], spacing_s=2000, heading_deg=[0, 0]), []
    while not world.done:
        slot, conditions = world.slot, world.slot.conditions
        users, experts = world.positions
        way = (experts[0, 15] - users[0]).astype(float).mean(axis=0)
        distance_m = np.linalg.norm(way)
        allocated = slot.offer.allocation.expert[0] == 15
        charge = slot.offer.allocation.charge[0][allocated]
        points = slot.offer.full_points[0][allocated]
        rows.append(
            {
                "time_s": 6 * slot.index,
                "elevation_deg": np.degrees(np.arcsin(way[2] / distance_m)),
                "distance_km": distance_m / 1000,
                "one_way_ms": float(conditions.links.propagation_s[0, :, 15].mean()) * 1000,
                "snr_db": float(conditions.links.snr_db[0, :, 15].mean()),
                "time_left_s": float(conditions.links.covered_for_s[0, :, 15].mean()),
                "served": int(allocated.sum()),
                "charge_a_point": charge.sum() / points.sum() if allocated.any() else np.nan,
            }
        )
        play(world)
    return pd.DataFrame(rows)


def outlasting() -> tuple[int, int]:
    """Return how many transfers to satellites, 4 km away, outlast the pass, and how many there are.

    Users take the expert of most expected gain beside its recent load; hand-overs continue.
    """
    world, outlast, carried = world_at(4000, WORLDS, "none"), 0, 0
    while not world.done:
        slot, conditions = world.slot, world.slot.conditions
        load = conditions.others_seen() + 1
        gain = np.where(slot.mask[..., :-1], slot.expected_gain(load), 0)
        actions = np.where(gain.max(axis=-1) > 0, gain.argmax(axis=-1), world.num_candidates)
        _, _, result = world.step(actions)
        column = np.minimum(actions, world.num_candidates - 1)[..., None]
        left_s = np.take_along_axis(conditions.links.covered_for_s, column, axis=-1)[..., 0]
        to_satellite = result.transferred & np.isfinite(left_s)
        carried += int(to_satellite.sum())
        outlast += int((to_satellite & (result.delay_s > left_s)).sum())
    return outlast, carried


def draw(table: pd.DataFrame) -> Figure:
    """Draw elevation, SNR and price of a pass over time."""
    seen = table[table["elevation_deg"] >= CLEAR_DEG]
    figure = Figure((4.2, 4.4), layout="constrained", dpi=150)
    above, middle, below = figure.subplots(3, 1, sharex=True)
    above.plot(table["time_s"], table["elevation_deg"], color="0.7")
    above.plot(seen["time_s"], seen["elevation_deg"], color="#004488")
    above.axhline(CLEAR_DEG, color="0.4", linewidth=0.6, linestyle="--")
    above.set(ylabel="Elevation, deg", ylim=(-15, 95))
    middle.plot(seen["time_s"], seen["snr_db"], color="#004488")
    middle.set_ylabel("SNR, dB")
    below.plot(seen["time_s"], seen["charge_a_point"], ".", color="#BB5566", markersize=4)
    below.plot(seen["time_s"], seen["charge_a_point"].rolling(10, 1, True).mean(), color="#BB5566")
    below.set(ylabel="Charge,\ncredits a point", xlabel="Time, s", ylim=(0, None))
    return figure


if __name__ == "__main__":
    by_group, table = prices(), one_pass()
    by_group.round(4).to_csv(HERE / "prices.csv", index=False)
    table.round(4).to_csv(HERE / "a_pass.csv", index=False)
    draw(table).savefig(PICTURE)
    print(by_group.to_string(index=False))
    outlast, carried = outlasting()
    print(f"{outlast} of {carried} transfers to satellites outlast the pass")
