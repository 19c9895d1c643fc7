"""Users and edge devices trade subtasks, topic by topic, and neither side gains by reporting
anything but the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechanisms.base import register
from mechanisms.candidates import greatest, load, of_pairs, of_served
from mechanisms.claims import Claims
from mechanisms.market import FloatArray, IntArray, Market, Outcome


@register("double_auction")
@dataclass(frozen=True)
class DoubleAuction:
    """McAfee's double auction in each topic: a user buys one unit, its pending subtask; an expert
    sells one.

    Sellers of a topic are its experts with capacity, whatever more they could serve. A seller asks
    its cost of a point at full effort, a user with this topic bids what a point is worth to it:

        ask_e = kappa_e + slope_e / 2                                        credits/point bid_u =
        sum_e user_value_ue / sum_e user_points_ue  over the sellers, credits/point; none where not
        above 0

        user_value   what full service is worth to the user, credits
        user_points  what full service delivers, points
        kappa, slope reported unit cost and cost slope, credits/point

    With bids b_1 >= b_2 >= ... and asks s_1 <= s_2 <= ..., equal ones in the order of their index,
    let k be the last pair with b_k > s_k and p = (b_(k+1) + s_(k+1)) / 2. If there is a pair k + 1,
    and s_k <= p <= b_k, the first k of either side trade at p. Otherwise only the first k - 1
    trade, buyers at b_k and sellers at s_k: so where k is the last pair that can be formed at all.
    The first trading user, by its index, is served by the first trading expert, the second by the
    second: among those who trade, who meets whom depends on nobody's report. If e serves u,

        charge_u = buyers' price x user_points_ue,   payment_e = sellers' price x user_points_ue
        credits

    Experts that trade give effort 1; all others give 0, at price 0.

    Where users list candidates, the sellers of a topic are those that some user with this topic
    lists, a user's bid is over those in its list, and each trading user, in the order of their
    index, is served by the first trading expert of its list that is not taken; if that leaves one
    without, all meet as in a matching of as many as can be. Who finds no partner even so does not
    trade after all.

    Guarantee: a buyer's price is at most its bid, a seller's at least its ask, and neither moves
        with the report of one that trades, nor does anybody's partner: b_k and s_k are then others'
        reports, or p is. With a report that changes whether it trades, a user would pay a price
        above its bid or forgo one below it, a seller likewise (McAfee 1992). Points of the pair
        scale all of this, so it holds whoever the partner is, if the utility of a user is what its
        bid says: user_points_ue (bid_u - price). That is the condition, user_value_ue = bid_u
        user_points_ue at all sellers of the topic. Experts of a topic that are worth the same to a
        user and bring it as many points meet it. For sellers the guarantee needs no condition.
        Lists are nobody's report, and what meets by them depends on who trades alone: nothing of
        this changes.
    Budget: each pair's charge is at least its payment, in every market; the platform keeps the
        difference. `Market.budget` is ignored.
    Welfare: at most one trade a topic, the least profitable one, is lost against the efficient k;
        with lists also those of traders who are out of each other's reach.
    No trade: without users, experts, capacity or a bid above an ask, nobody trades; neither where
    one pair is all.
    Strategic side: both. Edge devices must give effort 1, which a price below kappa + slope would
    not be answered with.
    Source: McAfee, A Dominant Strategy Double Auction (Journal of Economic Theory 56, 1992), with k
        - 1 trades where the paper completes the lists by bounds on values.
    """

    name: ClassVar[str] = "double_auction"
    voluntary: ClassVar[bool] = False
    allocates: ClassVar[bool] = True
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices", "users"}),
        incentive_compatible=frozenset({"edge_devices", "users"}),
        individually_rational=frozenset({"edge_devices", "users"}),
        budget_balanced=True,
        condition="a point is worth the same to a user at all experts of its topic that have "
        "capacity",
    )

    def clear(self, market: Market) -> Outcome:
        """Trade in all topics of all worlds at once; status "closed_form".

        Raises:
            MarketError: user_value, user_points, capacity, topic or expert_topic is not given.
        """
        start = perf_counter()
        market.require(self.name, "user_value", "user_points", "capacity", "topic", "expert_topic")
        assert market.user_value is not None
        assert market.user_points is not None
        assert market.capacity is not None
        assert market.topic is not None
        assert market.expert_topic is not None
        is_seller = market.capacity > 0
        sold = market.topic[..., np.newaxis] == of_pairs(market.expert_topic, market.candidates)
        sold &= of_pairs(is_seller, market.candidates)
        if market.candidates is not None:
            is_seller = greatest(sold, market.candidates, market.num_experts) > 0
        worth = np.einsum("...ue,...ue->...u", market.user_value, sold)
        offered = np.einsum("...ue,...ue->...u", market.user_points, sold)
        bid = np.divide(worth, offered, out=np.zeros_like(worth), where=offered > 0)
        ask = market.unit_cost + market.cost_slope / 2

        # The topics that are sold, on an axis before all others: in each, bids and asks of the
        # others count for none.
        topics = np.unique(market.expert_topic).reshape(-1, *(1 for _ in market.expert_topic.shape))
        bids = np.where((market.topic == topics) & (bid > 0), bid, -np.inf)
        asks = np.where((market.expert_topic == topics) & is_seller, ask, np.inf)
        trade = mcafee(bids, asks)
        if market.candidates is None:
            allocation = _in_order_of_index(trade.buys, trade.sells).max(axis=0, initial=-1)
        else:
            buys, sells = np.asarray(trade.buys.any(axis=0)), np.asarray(trade.sells.any(axis=0))
            allocation = _within_reach(buys, sells, sold, market.candidates)
            trade = trade._replace(
                sells=trade.sells
                & (load(np.ones(allocation.shape), allocation, market.num_experts) > 0)
            )
        buyers_price = np.where(trade.buys, trade.buyers_price[..., np.newaxis], 0.0).sum(axis=0)
        unit_price = np.where(trade.sells, trade.sellers_price[..., np.newaxis], 0.0).sum(axis=0)
        points = of_served(market.user_points, allocation, market.candidates)
        value = of_served(market.user_value, allocation, market.candidates)
        points_served = load(points, allocation, market.num_experts)
        return Outcome(
            unit_price=unit_price,
            effort=np.where(trade.sells.any(axis=0), 1.0, 0.0),
            points=points_served,
            payment=unit_price * points_served,
            welfare=value.sum(axis=-1) - (ask * points_served).sum(axis=-1),
            status="closed_form",
            solve_seconds=perf_counter() - start,
            charge=buyers_price * points,
            allocation=allocation,
        )


class Trade(NamedTuple):
    """Who trades in a double auction, at what prices; leading axes are markets."""

    buys: NDArray[np.bool_]  # (..., U)
    sells: NDArray[np.bool_]  # (..., E), as many as buy
    buyers_price: FloatArray  # (...), of no meaning without a trade
    sellers_price: FloatArray  # (...), of no meaning without a trade


def mcafee(bids: FloatArray, asks: FloatArray) -> Trade:
    """The double auction of `DoubleAuction` for bids (..., U), -inf for none, and asks (..., E),
    inf for none.
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


def _in_order_of_index(buys: NDArray[np.bool_], sells: NDArray[np.bool_]) -> IntArray:
    """The expert that serves each user (..., U), the i-th of those who sell the i-th of those who
    buy; -1 for none.
    """
    sellers = np.argsort(~sells, axis=-1, kind="stable")
    place = np.maximum(np.cumsum(buys, axis=-1) - 1, 0)
    return np.where(buys, np.take_along_axis(sellers, place, axis=-1), -1)


def _within_reach(
    buys: NDArray[np.bool_], sells: NDArray[np.bool_], sold: NDArray[np.bool_], candidates: IntArray
) -> IntArray:
    """The expert of each user (..., U) where users list candidates (..., U, C), -1 for none, by
    `DoubleAuction`'s rule.

    Args:
        buys: (..., U).
        sells: (..., E).
        sold: (..., U, C) whether the expert of the pair has the user's topic.
        candidates: (..., U, C).
    """
    allocation = np.full(buys.shape, -1)
    meets = sold & of_pairs(sells, candidates) & buys[..., np.newaxis]
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


def _largest_matching(meets: NDArray[np.bool_], candidates: IntArray, num_experts: int) -> IntArray:
    """The expert of each user (U,), -1 for none, in a matching of as many as can be (Hopcroft and
    Karp 1973).
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    row = np.concatenate([[0], np.cumsum(meets.sum(axis=-1))])
    graph = csr_array((np.ones(row[-1]), candidates[meets], row), shape=(len(meets), num_experts))
    return np.asarray(maximum_bipartite_matching(graph, perm_type="column"), dtype=np.int64)
