"""A slot computed one number at a time, as docs/model.md tells it: what `World` is tested against.

Only draws, offers and the state before the slot are read from the world.
"""

from dataclasses import dataclass
from math import erfc, exp, inf, log, log2, sqrt
from typing import NamedTuple

import numpy as np

import mechanisms
from envs import ChannelConfig, World

BITS_A_SYMBOL = {"qpsk": 2, "qam16": 4, "qam64": 6}
# of payment and cost together: closer to breaking even is for the world to decide
BREAKS_EVEN = 1e-5


class Service(NamedTuple):
    """What an expert can do for one of the users that it has, at full effort."""

    delay_s: float
    airtime_s: float  # of the whole band
    user_energy_j: float
    edge_energy_j: float
    points: float
    harm: float
    fixed_cost: float  # credits
    work: float  # words


class Deal(NamedTuple):
    """What an expert makes of the price it is paid for a user."""

    effort: float
    declines: bool
    is_tie: bool  # it breaks even, as far as rounding can tell


@dataclass
class User:
    """Result of a slot for one user."""

    delay_s: float = 0.0
    energy_j: float = 0.0
    charge: float = 0.0
    effort: float = 0.0
    qos: float = 0.0
    harm: float = 0.0
    gain: float = 0.0
    transferred: bool = False
    expert: int = -1
    rejected: bool = False
    declined: bool = False
    walked_away: bool = False


@dataclass
class Expert:
    """Result of a slot for one expert, and its backlogs afterwards."""

    load: int = 0
    airtime_s: float = 0.0
    work_words: float = 0.0
    edge_energy_j: float = 0.0
    payment: float = 0.0
    edge_cost: float = 0.0
    airtime_backlog_s: float = 0.0
    compute_backlog_s: float = 0.0


@dataclass
class Slot:
    """Result of a slot for one world."""

    users: list[User]
    experts: list[Expert]


def bit_error_rate(bits_a_symbol: int, snr: float) -> float:
    """Return the bit error rate of Gray-coded square QAM at an SNR per symbol.

    Each half of the bits is a Gray-coded level of one axis. Every level that may be received counts
    with its probability and the bits in which it differs from the one that was sent.
    """
    axis_bits = bits_a_symbol // 2
    count = 2**axis_bits
    levels = [2 * i - count + 1 for i in range(count)]
    noise = sqrt((count**2 - 1) / 3 / snr)  # the energy of a symbol is 2 (count^2 - 1) / 3
    beyond = [-inf] + [level + 1 for level in levels[:-1]] + [inf]
    errors = 0.0
    for i, sent in enumerate(levels):
        for j in range(count):
            above, below = (
                0.5 * erfc((edge - sent) / noise / sqrt(2)) for edge in (beyond[j], beyond[j + 1])
            )
            if j > i:  # both are tails: their difference loses no digits
                probability = above - below
            else:
                low, high = (sent - beyond[j + 1]) / noise, (sent - beyond[j]) / noise
                probability = 0.5 * (erfc(low / sqrt(2)) - erfc(high / sqrt(2)))
            errors += probability * ((i ^ (i >> 1)) ^ (j ^ (j >> 1))).bit_count()
    return errors / count / axis_bits


def efficiency(channel: ChannelConfig, snr: float) -> float:
    """Return the spectral efficiency at a linear SNR, bit/s/Hz."""
    if channel.ber == "snr":
        return float(BITS_A_SYMBOL[channel.modulation])
    gap = -log(5 * channel.target_ber) / 1.5 if channel.ber == "qam" else 1.0
    most = inf if channel.max_spectral_efficiency is None else channel.max_spectral_efficiency
    return min(log2(1 + snr / gap), most)


def survival(channel: ChannelConfig, snr: float) -> float:
    """Return the share of words that survive the way up and down."""
    if channel.ber == "none":
        return 1.0
    rate = (
        channel.target_ber
        if channel.ber == "qam"
        else bit_error_rate(BITS_A_SYMBOL[channel.modulation], snr)
    )
    return (1 - rate) ** (2 * channel.bits_per_word)


def amount(quantity: object, n: int, agent: int) -> float:
    """Return a quantity of an agent: a number that all have, or (N, agents)."""
    table = np.asarray(quantity, float)
    return float(table) if table.ndim == 0 else float(table[n, agent])


def work_of(world: World, n: int, u: int) -> float:
    """Return the work of a user's subtask, words."""
    requests, subtasks = world.config.requests, world.requests.subtasks
    middle = sum(requests.compute_need) / 2
    return float(subtasks.words[n, u]) * float(subtasks.compute[n, u]) / middle


def reference_points(world: World, work: float) -> float:
    """Return the points in which the cost of work is counted."""
    quality, words = world.config.quality, world.config.requests.words
    return quality.recovered_share * quality.drop_loss * work / (sum(words) / 2)


def services(world: World, n: int, e: int, users: list[int]) -> dict[int, Service]:
    """Return what an expert can do for these users, who share it."""
    config, channel, pool, of_users = world.config, world.config.channel, world.pool, world.users
    bandwidth_hz, power_w = amount(pool.bandwidth_hz, n, e), amount(pool.tx_power_w, n, e)
    speed = amount(pool.words_per_second, n, e)
    subtasks, reward, quality = world.requests.subtasks, config.reward, config.quality
    snr = {u: 10 ** (float(world.slot.conditions.links.snr_db[n, u, e]) / 10) for u in users}
    words = {u: float(subtasks.words[n, u]) for u in users}
    bits = {u: channel.bits_per_word * (channel.prompt_words + words[u]) for u in users}
    work = {u: work_of(world, n, u) for u in users}
    claim = dict.fromkeys(users, 1.0)
    if channel.split == "min_delay":
        claim = {u: sqrt(bits[u] / efficiency(channel, snr[u])) for u in users}
    found = {}
    for u in users:
        share = claim[u] / sum(claim.values())
        if channel.access == "total_power":
            airtime_s = bits[u] / (bandwidth_hz * efficiency(channel, snr[u] / share))
            energy_j = power_w * airtime_s / share
        else:
            airtime_s = bits[u] / (bandwidth_hz * efficiency(channel, snr[u]))
            energy_j = power_w * airtime_s
        sent_s = float(world.occupancy.airtime_backlog_s[n, e]) + airtime_s / share
        delay_s = sent_s / amount(world.slot.conditions.serving_share, n, e)
        delay_s += float(world.occupancy.compute_backlog_s[n, e])
        for other in users:
            lots = world.slot.lots[n, other], world.slot.lots[n, u]
            if config.experts.service == "batch" or lots[0] <= lots[1]:
                delay_s += work[other] / speed
        past_s = delay_s - amount(of_users.deadline_s, n, u)
        late = min(1.0, exp(-past_s / amount(of_users.lateness_s, n, u)))
        loss = quality.drop_loss * config.requests.num_subtasks * float(subtasks.weight[n, u])
        competence = float(world.pool.competence[n, e, subtasks.topic[n, u]])
        recovered = quality.recovered_share * loss
        up_j = energy_j * channel.prompt_words / (channel.prompt_words + words[u])
        by_expert = reward.downlink_energy == "edge_device"  # else energy has no cost to it
        paid_by_expert_j = energy_j - up_j if by_expert else 0.0
        found[u] = Service(
            delay_s=delay_s,
            airtime_s=airtime_s,
            user_energy_j=energy_j - paid_by_expert_j,
            edge_energy_j=paid_by_expert_j,
            points=recovered * max(competence, 0.0) * late * survival(channel, snr[u]),
            harm=recovered * max(-competence, 0.0),
            fixed_cost=amount(pool.energy_cost, n, e) * paid_by_expert_j if by_expert else 0.0,
            work=work[u],
        )
    return found


def is_allocated(world: World, n: int, u: int, e: int) -> bool:
    """Return whether the mechanism allocates the expert to the user."""
    return bool(world.mechanism.allocates) and int(world.slot.offer.allocation.expert[n, u]) == e


def paid(world: World, n: int, u: int, e: int, points: float) -> float:
    """Return what the expert is paid for these points at full effort, credits."""
    offer = world.slot.offer
    if is_allocated(world, n, u, e):
        full = float(offer.full_points[n, u])
        return float(offer.allocation.pair_price[n, u]) * min(points, full)
    return float(offer.unit_price[n, e]) * points


def cost(world: World, n: int, e: int, service: Service, effort: float) -> float:
    """Return what serving a user costs the expert, credits."""
    kappa, slope = float(world.pool.unit_cost[n, e]), float(world.pool.cost_slope[n, e])
    points = reference_points(world, service.work)
    return points * (kappa * effort + slope * effort**2 / 2) + service.fixed_cost


def deal(world: World, n: int, u: int, e: int, service: Service) -> Deal:
    """Return the effort that the expert would give a user, and whether it declines."""
    if mechanisms.is_free(world.mechanism):
        return Deal(1.0, declines=False, is_tie=False)
    kappa, slope = float(world.pool.unit_cost[n, e]), float(world.pool.cost_slope[n, e])
    pay, points = paid(world, n, u, e, service.points), reference_points(world, service.work)
    if world.config.market.effort == "bought":
        effort = min(max((pay - kappa * points) / (slope * points), 0.0), 1.0)
        is_tie = 0 < abs(pay - kappa * points) <= BREAKS_EVEN * (pay + kappa * points)
    else:
        effort = float(world.slot.offer.effort[n, e])
        is_tie = False
    spent = cost(world, n, e, service, effort)
    profit = pay * effort - spent
    is_tie |= effort > 0 and abs(profit) <= BREAKS_EVEN * (pay * effort + spent)
    return Deal(effort, declines=effort == 0 or profit < 0, is_tie=is_tie)


def has_spent(world: World, n: int, u: int) -> bool:
    """Return whether a budget of the user's episode is spent."""
    budgets = world.budgets
    if budgets is None:
        return False
    left = [table[n, u] for table in (budgets.energy_j, budgets.credits) if table is not None]
    return any(amount <= 0 for amount in left)


def may_choose(world: World, n: int, u: int, action: int) -> bool:
    """Return the entry of the mask, from its definition."""

    def able(e: int) -> bool:
        if not world.available[n, e]:
            return False
        alone = deal(world, n, u, e, services(world, n, e, [u])[u])
        return bool(world.slot.mask[n, u, e]) if alone.is_tie else not alone.declines

    num_experts = world.num_experts
    if not world.requests.subtasks.pending[n, u] or has_spent(world, n, u):
        return action == num_experts
    if action < num_experts:
        return able(action)
    return world.config.allow_abandon or not any(able(e) for e in range(num_experts))


def admitted(world: World, n: int, actions: np.ndarray) -> list[int]:
    """Return the users that places and the account of the world admit.

    They come in the order of the lots, those who take their allocated expert before all others.
    """
    free = [amount(world.pool.max_concurrent, n, e) for e in range(world.num_experts)]
    credits = inf
    if world.market.balance is not None:
        income = np.broadcast_to(world.market.income, (world.num_worlds,))[n]
        credits = float(world.market.balance[n]) + float(income)
    found = []

    def place_in_line(u: int) -> tuple[bool, float]:
        allocates = world.mechanism.allocates
        takes_own = allocates and actions[n, u] == world.slot.offer.allocation.expert[n, u]
        return not takes_own, float(world.slot.lots[n, u])

    for u in sorted(range(world.num_users), key=place_in_line):
        e = int(actions[n, u])
        if e == world.num_experts or not may_choose(world, n, u, e):
            continue
        alone = services(world, n, e, [u])[u]
        reserved = paid(world, n, u, e, alone.points) * deal(world, n, u, e, alone).effort
        if free[e] and (credits == inf or reserved <= credits):
            free[e] -= 1
            credits -= reserved
            found.append(u)
    return found


def play_one_world(world: World, n: int, actions: np.ndarray, told: np.ndarray) -> Slot:
    """Compute one slot of world n.

    Args:
        world: the world before the slot.
        n: number of the world.
        actions: (N, U).
        told: (N, U) users that the world says are declined, which settles ties alone.
    """
    config, num_experts = world.config, world.num_experts
    of_users, pool = world.users, world.pool
    slot = Slot([User() for _ in range(world.num_users)], [Expert() for _ in range(num_experts)])
    for u, user in enumerate(slot.users):
        own = int(world.slot.offer.allocation.expert[n, u]) if world.mechanism.allocates else -1
        user.walked_away = own >= 0 and int(actions[n, u]) != own
        user.rejected = not may_choose(world, n, u, int(actions[n, u]))
    served = admitted(world, n, actions)
    for u, user in enumerate(slot.users):
        user.rejected |= int(actions[n, u]) < num_experts and u not in served
    for e, expert in enumerate(slot.experts):
        here = [u for u in served if int(actions[n, u]) == e]
        deals = {
            u: deal(world, n, u, e, planned) for u, planned in services(world, n, e, here).items()
        }
        for u in here:
            declines = told[n, u] if deals[u].is_tie else deals[u].declines
            slot.users[u].declined = bool(declines)
        staying = [u for u in here if not slot.users[u].declined]
        expert.load = len(staying)
        for u, service in services(world, n, e, staying).items():
            user, effort = slot.users[u], deals[u].effort
            words = float(world.requests.subtasks.words[n, u])
            payment = paid(world, n, u, e, service.points) * effort
            user.transferred, user.expert, user.effort = True, e, effort
            user.delay_s, user.energy_j = service.delay_s, service.user_energy_j
            user.qos, user.harm = effort * service.points, effort * service.harm
            user.charge = payment
            if is_allocated(world, n, u, e):
                full = float(world.slot.offer.full_points[n, u])
                delivered = min(service.points / full, 1.0) if full > 0 else 0.0
                user.charge = float(world.slot.offer.allocation.charge[n, u]) * effort * delivered
            user.gain = (
                amount(of_users.credits_per_point, n, u) * (user.qos - user.harm)
                - amount(of_users.credits_per_word, n, u) * words
                - amount(of_users.credits_per_joule, n, u) * user.energy_j
                - amount(of_users.credits_per_second, n, u) * user.delay_s
                - user.charge
            )
            expert.airtime_s += service.airtime_s
            expert.work_words += service.work
            expert.edge_energy_j += service.edge_energy_j
            expert.payment += payment
            expert.edge_cost += cost(world, n, e, service, effort)
        waiting_s = float(world.occupancy.airtime_backlog_s[n, e]) + expert.airtime_s
        served_s = config.slot_s * amount(world.slot.conditions.serving_share, n, e)
        expert.airtime_backlog_s = max(waiting_s - served_s, 0.0)
        computing_s = expert.work_words / amount(pool.words_per_second, n, e)
        waiting_s = float(world.occupancy.compute_backlog_s[n, e]) + computing_s
        expert.compute_backlog_s = max(waiting_s - config.slot_s, 0.0)
    return slot
