"""Delivery: who is served in a slot, with what delay, quality, money and gain."""

from typing import NamedTuple

import numpy as np

from envs import admission, quality
from envs.arrays import Bool, Float, Int
from envs.offer import kept_share
from envs.per_expert import of_cells
from envs.slot import Slot
from envs.transfers import Carried, Transfers, carried
from mechanisms.supply import answer, cost

# Of revenue and cost each, up to which a loss is rounding: prices of just the cost come of reports
# in single precision.
_ROUNDING = 1e-6


class Choice(NamedTuple):
    """The expert that each user transfers in a slot."""

    column: Int  # (N, U), of the user's candidates; 0 where none is requested
    requested: Bool  # (N, U), users that request an expert, as the mask allows
    masked: Bool  # (N, U), users of a masked action
    walked_away: Bool  # (N, U), users that do not ask for the expert allocated to them


class Delivery(NamedTuple):
    """Result of each request, (N, R) each; all but the last three are 0 where it is not served."""

    served: Bool
    declined: Bool  # was admitted, and its expert declines
    delay_s: Float  # backlogs, both ways over the shared band, and computing
    airtime_s: Float  # added to the expert's backlog, s of the whole band
    user_energy_j: Float  # that the user pays for
    edge_energy_j: Float  # that the edge device pays for
    effort: Float  # given, in 0..1
    points: Float  # delivered
    harm: Float  # points
    battery_j: Float | None  # taken from the expert's battery; None where none has one
    payment: Float  # credits
    charge: Float  # credits
    edge_cost: Float  # true cost, credits
    gain: Float  # credits over abandoning
    asked_points: Float  # of full effort as if alone, where an expert was requested
    asked_work: Float  # reference points, likewise
    asked_fixed: Float  # fixed cost, likewise, credits


def choose(slot: Slot, actions: Int) -> Choice:
    """Find the experts that users request.

    Args:
        slot: the slot.
        actions: (N, U) checked actions (`envs.actions.checked`).
    """
    row = np.arange(actions.size).reshape(actions.shape)
    allowed = slot.mask.reshape(-1).take(row * slot.mask.shape[-1] + actions)
    requested = allowed & (actions < slot.num_candidates)
    walked_away = np.zeros(actions.shape, bool)
    if slot.offer.allocates:
        allocated = slot.conditions.candidates.column(slot.offer.allocation.expert)
        walked_away = (allocated >= 0) & (actions != allocated)
    return Choice(np.where(requested, actions, 0), requested, ~allowed, walked_away)


class Money(NamedTuple):
    """Money for services at full effort, (N, R) credits; that of less effort is in proportion."""

    revenue: Float  # of the edge device
    charge: Float  # of the user
    fixed: Float | float  # cost of serving at whatever effort


def money(transfers: Transfers, at: Carried) -> Money:
    """Return what the services of transfers bring and cost."""
    offer = transfers.slot.offer
    if offer.free:
        nothing = np.zeros(at.points.shape)
        return Money(nothing, nothing, _fixed_cost(transfers, at))
    revenue = charge = offer.unit_price.take(transfers.cell) * at.points
    if offer.allocates:
        allocated, allocation = transfers.allocated(), offer.allocation
        full = transfers.own(offer.full_points)
        kept = kept_share(at.points, full)
        paid = transfers.own(allocation.pair_price) * full * kept
        revenue = np.where(allocated, paid, revenue)
        charge = np.where(allocated, transfers.own(allocation.charge) * kept, charge)
    if offer.margin.any():
        charge = charge * (1 + offer.margin.take(transfers.world))
    return Money(revenue, charge, _fixed_cost(transfers, at))


def _fixed_cost(transfers: Transfers, at: Carried) -> Float | float:
    conditions = transfers.slot.conditions
    if conditions.config.reward.downlink_energy == "user":
        return 0.0
    answers = transfers.own(conditions.answer_share)
    return of_cells(conditions.pool.energy_cost, transfers.cell) * at.energy_j * answers


def _costs(transfers: Transfers) -> tuple[Float, Float]:
    """Return the true cost and slope of effort for each request, (N, R) credits."""
    conditions, cell = transfers.slot.conditions, transfers.cell
    work = transfers.own(conditions.effort_points)
    pool = conditions.pool
    return pool.unit_cost.take(cell) * work, pool.cost_slope.take(cell) * work


def _effort(transfers: Transfers, costs: tuple[Float, Float], due: Money) -> Float:
    """Return the effort of edge devices for what services bring, (N, R), 0 where they decline."""
    offer = transfers.slot.offer
    ordered = offer.effort.take(transfers.cell) if offer.enforced else None
    return answer(due.revenue, *costs, due.fixed, ordered, _ROUNDING)


def _admitted(transfers: Transfers, alone: Carried | None) -> Bool:
    """Return the requests that experts admit, (N, R).

    Args:
        transfers: the transfers.
        alone: how each is carried as if alone, which the account has to cover; None where experts
            are free.
    """
    slot, account = transfers.slot, transfers.slot.account
    limited, most = slot.config.limits_places, slot.conditions.pool.max_concurrent
    first = transfers.allocated() if slot.offer.allocates else None
    lot = transfers.lot if first is None else transfers.lot - first
    if account is None or alone is None:
        if not limited:
            return transfers.requested
        places = of_cells(most, transfers.cell)
        return admission.by_places(transfers.cell, transfers.requested, places, lot)
    due = money(transfers, alone)
    reserved = due.revenue * _effort(transfers, _costs(transfers), due)
    taken = reserved
    if transfers.num_imagined:
        taken = reserved.copy()
        taken[:, -transfers.num_imagined :] = 0.0
    return admission.by_account(
        transfers.cell,
        transfers.requested,
        np.broadcast_to(most, (slot.num_worlds, slot.num_experts)),
        lot,
        reserved,
        taken,
        account[transfers.world[:, 0]],
    )


def deliver(transfers: Transfers) -> Delivery:
    """Serve the requests of a slot.

    Experts admit requests in the order of their lots, as far as places and the platform's account
    reach. Each edge device then fixes its effort for every request by the load of all that were
    admitted, and declines what does not pay. Those who stay share what the others leave: nothing
    that is delivered is below what the effort was meant for.
    """
    slot, conditions, offer = transfers.slot, transfers.slot.conditions, transfers.slot.offer
    reward, cell = slot.config.reward, transfers.cell
    alone = None if offer.free else carried(transfers, transfers.requested, alone=True)
    reference_points = transfers.own(conditions.reference_points)
    admitted = served = _admitted(transfers, alone)
    at = carried(transfers, admitted)
    asked = at if alone is None else alone  # where experts are free nobody is told
    due = money(transfers, at)
    if offer.free:
        effort: Float | float = 1.0
        effort_cost = conditions.pool.full_effort_cost.take(cell) * reference_points
    else:
        costs = _costs(transfers)
        effort = _effort(transfers, costs, due)
        effort_cost = cost(effort, *costs)
        served = admitted & (effort > 0)
        if (served != admitted).any():
            at = carried(transfers, served)
            due = money(transfers, at)
    kept = served.astype(float)  # once, since products with booleans cast each time
    battery_j = None
    if slot.config.has_batteries:
        answer_j = at.energy_j * transfers.own(conditions.answer_share)
        joules_per_word = of_cells(conditions.pool.joules_per_word, cell)
        battery_j = kept * (answer_j + joules_per_word * transfers.own(conditions.work))
    edge_energy_j: Float | float = 0.0
    if reward.downlink_energy == "edge_device":
        edge_energy_j = at.energy_j * transfers.own(conditions.answer_share)
    user_energy_j = at.energy_j - edge_energy_j
    points = at.points * effort
    harm = quality.harm(slot.config.quality, transfers.loss, transfers.competence) * effort
    if at.arrives is not None:
        harm = harm * at.arrives
    charge = due.charge * effort
    worth = quality.Worth(*map(transfers.own, conditions.users.worth))
    gain = quality.transfer_gain(worth, points - harm, transfers.words, user_energy_j, at.delay_s)
    return Delivery(
        served=served,
        declined=admitted & ~served,
        delay_s=kept * at.delay_s,
        airtime_s=kept * at.airtime_s,
        user_energy_j=kept * user_energy_j,
        edge_energy_j=kept * edge_energy_j,
        effort=kept * effort,
        points=kept * points,
        harm=kept * harm,
        battery_j=battery_j,
        payment=kept * due.revenue * effort,
        charge=kept * charge,
        edge_cost=kept * (effort_cost + due.fixed),
        gain=(gain - charge) * kept,
        asked_points=transfers.requested * asked.points,
        asked_work=transfers.requested * reference_points,
        asked_fixed=transfers.requested * _fixed_cost(transfers, asked),
    )
