"""A double auction of subtasks in each topic: the truth is the best report of both sides."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar, NamedTuple

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray, IntArray
from mechanisms.base import register
from mechanisms.candidates import greatest, load, of_own_expert, of_pairs, of_served
from mechanisms.claims import Claims
from mechanisms.market import Market
from mechanisms.outcome import Allocation, Outcome
from mechanisms.pairs import payable
from mechanisms.services import services_of


@register("double_auction")
@dataclass(frozen=True)
class DoubleAuction:
    """McAfee's double auction in each topic: users buy one unit each, experts sell one each.

    The unit is a user's pending subtask. Sellers of a topic are its experts with capacity, whatever
    more they could serve. What is priced is work, the reference points that costs are counted in.
    The ask of a seller is its cost of a unit of work at full effort, the bid of a user with this
    topic is what a unit of work is worth to it:

        ask_e = kappa_e + slope_e / 2                               credits/point
        bid_u = sum_e V_ue / sum_e work_ue  over the sellers,       credits/point
                none where not above 0

        V            `UserReports.value`: worth of full service to the user, credits
        work         `UserReports.work`: points, a fact of the pair that nobody reports
        kappa, slope reported unit cost and cost slope, credits/point

    With bids b_1 >= b_2 >= ... and asks s_1 <= s_2 <= ..., equal ones in the order of their index,
    let k be the last pair with b_k > s_k and p = (b_(k+1) + s_(k+1)) / 2. If there is a pair k + 1,
    and s_k <= p <= b_k, the first k of either side trade at p. Otherwise only the first k - 1
    trade, buyers at b_k and sellers at s_k: so where k is the last pair that can be formed at all.
    The first trading user, by its index, is served by the first trading expert, the second by the
    second: among those who trade, who meets whom depends on nobody's report. If e serves u,

        charge_u = buyers' price . work_ue,   payment_e = sellers' price . work_ue     credits

    paid by the point, pair_price_u = payment_e / q_ue with the points q_ue of full service. Experts
    that trade give effort 1; all others give 0, at price 0. One that would lose by its trade, since
    the fixed cost of the pair is more than its price leaves, declines: neither side trades.

    Where users list candidates, the sellers of a topic are those that some user with this topic
    lists, a user's bid is over those in its list, and each trading user, in the order of their
    index, is served by the first trading expert of its list that is not taken; if that leaves one
    without, all meet as in a matching of as many as can be. Who finds no partner even so does not
    trade after all. So it is where a pair delivers no point, which no price of a point pays for.

    Guarantee: a buyer's price is at most its bid, a seller's at least its ask, and neither moves
        with the report of one that trades, nor does anybody's partner: b_k and s_k are then others'
        reports, or p is. With a report that changes whether it trades, a user would pay a price
        above its bid or forgo one below it, a seller likewise (McAfee 1992). Work of the pair
        scales all of this, so it holds whoever the partner is, if the utility of a user is what its
        bid says: work_ue (bid_u - price). That is the condition, V_ue = bid_u work_ue at all
        sellers of the topic. Experts of a topic that are worth the same to a user and do as much
        work for it meet it. For sellers the guarantee needs no condition.
        Declining changes nothing of this. It is decided by the seller's price, cost and fixed cost,
        none of which moves with what its buyer reports; and a seller who trades has work (price -
        ask) - fixed cost if that is positive and else 0, which a report that still trades does not
        change, and one that only trades by a lie, at a price below its true ask, never exceeds.
        Lists are nobody's report, and what meets by them depends on who trades alone: nothing of
        this changes.
    Fields: claimed are costs, capacity and availability of edge devices, and values of users and
        whether they are pending. Of a capacity only matters whether there is one: who has none and
        says so not would sell what it cannot serve, and earn nothing; who hides it only forgoes its
        trade. Not claimed are topics, since a seller gains where prices of another topic are
        higher, and a user where experts of another topic are worth something to it; nor points and
        work. A user that says of partners that they deliver no points puts them out of reach, and
        may so trade with another; with work told too low, most of all in one proportion with
        points, it is charged for less work than its service takes. Band is not read.
    Budget: each pair's charge is at least its payment, in every market; the platform keeps the
        difference. `Market.budget` is ignored.
    Welfare: at most one trade a topic, the least profitable one, is lost against the efficient k;
        with lists also those of traders who are out of each other's reach.
    No trade: without users, experts, capacity or a bid above an ask, nobody trades; neither where
    one pair is all.
    Enforced only: edge devices must give effort 1 or decline, since a price below kappa + slope
        would not be answered with it. Where effort is bought they give their best response, the
        buyer gets and pays that share, and nothing is claimed.
    Strategic side: both.
    Source: McAfee, A Dominant Strategy Double Auction (Journal of Economic Theory 56, 1992), with k
        - 1 trades where the paper completes the lists by bounds on values.
    """

    name: ClassVar[str] = "double_auction"
    allocates: ClassVar[bool] = True
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices", "users"}),
        incentive_compatible=frozenset(
            {
                "edge_devices.costs",
                "edge_devices.capacity",
                "edge_devices.available",
                "users.value",
                "users.pending",
            }
        ),
        individually_rational=frozenset({"edge_devices", "users"}),
        budget_balanced=True,
        condition="a unit of work is worth the same to a user at all experts of its topic that "
        "have capacity",
        regimes=frozenset({"enforced"}),
    )

    def clear(self, market: Market) -> Outcome:
        """Trade in all topics of all worlds at once; status "closed_form".

        Raises:
            MarketError: users report nothing.
        """
        start = perf_counter()
        users = market.users_for(self.name)
        is_seller = market.capacity > 0
        sold = users.topic[..., np.newaxis] == of_pairs(market.expert_topic, users.candidates)
        sold &= of_pairs(is_seller, users.candidates)
        in_reach = sold & payable(users.points, users.work)
        all_in_reach = users.candidates is None and bool((in_reach == sold).all())
        if not all_in_reach:
            is_seller = greatest(in_reach, users.candidates, market.num_experts) > 0
        worth = np.einsum("...ue,...ue->...u", users.value, in_reach)
        work = np.einsum("...ue,...ue->...u", users.work, in_reach)
        bid = np.divide(worth, work, out=np.zeros_like(worth), where=work > 0)
        ask = market.unit_cost + market.cost_slope / 2

        # The topics that are sold, on an axis before all others: in each, bids and asks of the
        # others count for none.
        topics = np.unique(market.expert_topic).reshape(-1, *(1 for _ in market.expert_topic.shape))
        bids = np.where((users.topic == topics) & (bid > 0), bid, -np.inf)
        asks = np.where((market.expert_topic == topics) & is_seller, ask, np.inf)
        trade = mcafee(bids, asks)
        if all_in_reach:
            expert = _in_order_of_index(trade.buys, trade.sells).max(axis=0, initial=-1)
        else:
            buys, sells = np.asarray(trade.buys.any(axis=0)), np.asarray(trade.sells.any(axis=0))
            expert = _within_reach(buys, sells, in_reach, users.candidates)
        return _settled(market, trade, expert, perf_counter() - start)


class Trade(NamedTuple):
    """Traders in a double auction and their prices; leading axes are markets."""

    buys: BoolArray  # (..., U)
    sells: BoolArray  # (..., E), as many as buy
    buyers_price: FloatArray  # (...), of no meaning without a trade
    sellers_price: FloatArray  # (...), of no meaning without a trade


def mcafee(bids: FloatArray, asks: FloatArray) -> Trade:
    """Trade as `DoubleAuction` does.

    Args:
        bids: (..., U) credits/point; -inf for none.
        asks: (..., E) credits/point; inf for none.
    """
    buyers = np.argsort(-bids, axis=-1, kind="stable")
    sellers = np.argsort(asks, axis=-1, kind="stable")
    nobody = np.full((*bids.shape[:-1], 1), np.inf)
    b = np.concatenate([np.take_along_axis(bids, buyers, axis=-1), -nobody], axis=-1)
    s = np.concatenate([np.take_along_axis(asks, sellers, axis=-1), nobody], axis=-1)
    pairs = min(bids.shape[-1], asks.shape[-1])
    k = np.count_nonzero(b[..., :pairs] > s[..., :pairs], axis=-1, keepdims=True)
    b_k, s_k = (np.take_along_axis(side, np.maximum(k - 1, 0), axis=-1) for side in (b, s))
    b_next, s_next = (np.take_along_axis(side, k, axis=-1) for side in (b, s))
    # Without a pair k + 1 this is infinite or not a number, and no price to trade at.
    with np.errstate(invalid="ignore"):
        p = (b_next + s_next) / 2
    at_p = (s_k <= p) & (p <= b_k)
    trades = np.where(at_p, k, np.maximum(k - 1, 0))
    buys, sells = np.zeros(bids.shape, dtype=bool), np.zeros(asks.shape, dtype=bool)
    np.put_along_axis(buys, buyers, np.arange(bids.shape[-1]) < trades, axis=-1)
    np.put_along_axis(sells, sellers, np.arange(asks.shape[-1]) < trades, axis=-1)
    return Trade(buys, sells, np.where(at_p, p, b_k)[..., 0], np.where(at_p, p, s_k)[..., 0])


def _settled(market: Market, trade: Trade, expert: IntArray, solve_seconds: float) -> Outcome:
    """Return the outcome in which `expert` (..., U) serves each user, unless it would lose."""
    buyers_price = np.where(trade.buys, trade.buyers_price[..., np.newaxis], 0.0).sum(axis=0)
    sellers_price = np.where(trade.sells, trade.sellers_price[..., np.newaxis], 0.0).sum(axis=0)
    services = services_of(market, expert, DoubleAuction.name)
    paid = of_own_expert(sellers_price, expert) * services.work
    ordered = np.ones(expert.shape) if market.effort == "enforced" else None
    effort = services.answer(services.per_point(paid), ordered)
    expert = np.where(effort > 0, expert, -1)

    services = services_of(market, expert, DoubleAuction.name)
    paid = np.where(expert >= 0, paid, 0.0)
    num_experts = market.num_experts
    has_partner = load(np.ones(expert.shape), expert, num_experts) > 0
    users = market.users_for(DoubleAuction.name)
    value = of_served(users.value, expert, users.candidates) * effort
    borne = load(services.cost(effort), expert, num_experts)
    return Outcome(
        unit_price=np.where(has_partner, sellers_price * market.work_per_point, 0.0),
        effort=load(effort, expert, num_experts),
        points=load(services.points * effort, expert, num_experts),
        payment=load(paid * effort, expert, num_experts),
        welfare=value.sum(axis=-1) - borne.sum(axis=-1),
        status="closed_form",
        solve_seconds=solve_seconds,
        allocation=Allocation(expert, buyers_price * services.work, services.per_point(paid)),
    )


def _in_order_of_index(buys: BoolArray, sells: BoolArray) -> IntArray:
    """Return the expert of each user (..., U), -1 for none: the i-th seller for the i-th buyer."""
    sellers = np.argsort(~sells, axis=-1, kind="stable")
    place = np.maximum(np.cumsum(buys, axis=-1) - 1, 0)
    return np.where(buys, np.take_along_axis(sellers, place, axis=-1), -1)


def _within_reach(
    buys: BoolArray, sells: BoolArray, in_reach: BoolArray, candidates: IntArray | None
) -> IntArray:
    """Return the expert of each user (..., U) where some pairs are out of reach, -1 for none.

    Args:
        buys: (..., U) users that trade.
        sells: (..., E) experts that trade.
        in_reach: (..., U, C) pairs whose expert sells the user's topic, and can serve it.
        candidates: (..., U, C) the expert of each pair; None where column e is of expert e.
    """
    if candidates is None:
        candidates = np.broadcast_to(np.arange(sells.shape[-1]), in_reach.shape)
    allocation = np.full(buys.shape, -1)
    meets = in_reach & of_pairs(sells, candidates) & buys[..., np.newaxis]
    for index in np.ndindex(buys.shape[:-1]):
        taken: set[int] = set()
        for user in np.flatnonzero(buys[index]):
            for expert in np.sort(candidates[index][user][meets[index][user]]).tolist():
                if expert not in taken:
                    allocation[(*index, user)] = expert
                    taken.add(expert)
                    break
        if len(taken) < buys[index].sum():
            # Each world alone: which of several largest matchings is found must not depend on what
            # else is cleared.
            allocation[index] = _largest_matching(meets[index], candidates[index], sells.shape[-1])
    return allocation


def _largest_matching(meets: BoolArray, candidates: IntArray, num_experts: int) -> IntArray:
    """Return the expert of each user (U,), -1 for none, in a matching of as many as can be.

    Source: Hopcroft and Karp 1973.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    row = np.concatenate([[0], np.cumsum(meets.sum(axis=-1))])
    graph = csr_array((np.ones(row[-1]), candidates[meets], row), shape=(len(meets), num_experts))
    return np.asarray(maximum_bipartite_matching(graph, perm_type="column"), dtype=np.int64)
