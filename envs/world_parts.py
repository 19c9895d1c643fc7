"""What N worlds consist of: users, experts, channels, requests and the market, and their state."""

from abc import ABC, abstractmethod

import mechanisms
from envs.accounts import RequestAccounts
from envs.arrays import Bool, Float
from envs.batteries import Batteries
from envs.budgets import UserBudgets
from envs.candidates import Candidates
from envs.channel.fading import FadingChannel
from envs.channel.placement import Placement
from envs.channel.process import Positions
from envs.channel.rates import Rate
from envs.clearing import Clearing
from envs.config import WorldConfig
from envs.crowding import Crowding
from envs.duty.plan import DutyPlan
from envs.expected_demand import initial_demand, initial_work, pace_of
from envs.experts import ExpertPool
from envs.laws import Laws, check_channel
from envs.marketplace import Marketplace
from envs.observation import Layout
from envs.occupancy import Occupancy
from envs.population import Population
from envs.requests import RequestQueue, topic_popularity
from envs.slot import Slot
from envs.state import OrNone, State, check, put, taken
from envs.streams import generators
from envs.traced_requests import Requests, begun
from envs.users import Users
from mechanisms.base import check_complete

_STATE = ("fresh", "lots")


class WorldParts(ABC):
    """The parts of N worlds through an episode: how they begin, their state, and what they grow by.

    `envs.world.World` plays slots with them; its docstring says what the arguments are.
    """

    slot: Slot  # about to be played; policies act on it
    population: Population
    candidates: Candidates
    requests: Requests
    channel: FadingChannel
    market: Marketplace
    accounts: RequestAccounts
    occupancy: Occupancy  # at the start of the slot
    budgets: UserBudgets  # at the start of the slot
    batteries: Batteries  # at the start of the slot
    crowding: Crowding | None  # what users count on beside recent loads; None: nothing
    lots: Float  # (N, U), in the order of which users are served in this slot
    fresh: bool  # no slot was played yet: the first reset begins no other episode

    def __init__(
        self,
        config: WorldConfig | None = None,
        num_worlds: int = 1,
        seed: int | None = None,
        mechanism: mechanisms.Mechanism | None = None,
    ) -> None:
        if num_worlds < 1:
            raise ValueError(f"num_worlds should be at least 1, got {num_worlds}")
        self.config = config if config is not None else WorldConfig()
        self.num_worlds = num_worlds
        self.mechanism = mechanism if mechanism is not None else mechanisms.make("none")
        check_complete(self.mechanism, type(self.mechanism).__name__)
        self._layout = Layout(self.config, self.mechanism.allocates)
        self._laws = Laws.of(self.config)
        self._pace = pace_of(self.config, self._laws.requests)
        self._seed(seed)
        self._begin_episode()
        self.fresh = True

    @property
    def num_users(self) -> int:
        """Number of users, U."""
        return self.config.num_users

    @property
    def num_experts(self) -> int:
        """Number of experts, E; grows with `add_experts`."""
        return self.config.num_experts

    @property
    def users(self) -> Users:
        """The users."""
        return self.population.users

    @property
    def pool(self) -> ExpertPool:
        """The experts."""
        return self.population.pool

    @property
    def available(self) -> Bool:
        """Experts that are up in this slot, and whose battery is not empty, (N, E)."""
        return self.batteries.powered(self.population.available)

    @property
    def num_candidates(self) -> int:
        """Number of experts that a user can choose, C; abandoning is the action of that number."""
        return self.candidates.count

    @property
    def done(self) -> bool:
        """True where the episode is over and `reset` is due."""
        return self._index >= self.config.episode_slots

    @property
    def terminates(self) -> bool:
        """True where the end of an episode is an end and no cut: users have a budget over it."""
        return self.config.limits_users

    @property
    def closed_clearing(self) -> Clearing | None:
        """Clearing whose interval ended in the last slot, with its books; None in other slots."""
        return self.market.closed

    @property
    def positions(self) -> Positions | None:
        """Places of users and experts in the slot, (N, U, 3) and (N, E, 3) m; None without any."""
        return self.channel.positions

    def _grow(self, count: int) -> None:
        """Let `count` experts join every world."""
        first, config = self.num_experts, self.config.grown(count)
        check_channel(self._laws.channel, config)
        self._laws = self._laws._replace(config=config)
        self.config = config
        self.population.grow(config)
        self.accounts.config = self.config
        self._layout = Layout(self.config, self.mechanism.allocates)
        self.channel.add_experts(count, self.population.given_of_experts(first))
        self.candidates, kept = self.candidates.joined(
            self.pool.topic, self.channel.mean_db, self.rng["candidates"]
        )
        if kept is not None:
            self.channel.keep(kept)
        self.occupancy = self.occupancy.grown(count, kept)
        self.batteries = self.batteries.grown(self.pool)
        self.market.admit(self.pool)
        self.crowding = None  # strangers know nothing of newcomers: others are drawn

    def _state(self) -> State:
        return taken(self, _STATE) | {
            "slot": self._index,
            "occupancy": self.occupancy.get_state(),
            "budgets": self.budgets.get_state(),
            "batteries": self.batteries.get_state(),
            "population": self.population.get_state(),
            "candidates": self.candidates.get_state(),
            "channel": self.channel.get_state(),
            "requests": self.requests.get_state(),
            "accounts": self.accounts.get_state(),
            "market": self.market.get_state(),
            "crowding": None if self.crowding is None else self.crowding.get_state(),
            "rng": {name: rng.bit_generator.state for name, rng in self.rng.items()},
        }

    def _put_back(self, state: State) -> None:
        """Take the parts of a state.

        Raises:
            ValueError: an entry does not fit, such as the number of experts; nothing has changed.
        """
        like = self._state()
        like["market"]["closed"] = OrNone(like["market"]["under_way"])
        check(state, like)
        for name, rng in self.rng.items():
            rng.bit_generator.state = state["rng"][name]
        put(self, _STATE, state)
        self._index = state["slot"]
        self.population.set_state(state["population"])
        self.candidates = Candidates.from_state(state["candidates"], self.num_experts)
        self.occupancy = Occupancy.from_state(state["occupancy"])
        self.budgets = UserBudgets.from_state(state["budgets"])
        self.batteries = Batteries.from_state(state["batteries"])
        self.channel.set_state(state["channel"], self.candidates.lists)
        self.accounts.users = self.users
        if isinstance(self.requests, RequestQueue):
            self.requests.owners = self.users.owners
        self.requests.set_state(state["requests"])
        self.accounts.set_state(state["accounts"])
        self.market.set_state(state["market"], self.pool)
        if self.crowding is not None:
            self.crowding.set_state(state["crowding"], self.pool)

    def _seed(self, seed: int | None) -> None:
        self.rng = generators(seed, self.config.experts.pool_seed)
        trace = self._laws.requests
        drawn = topic_popularity(self.config.requests)
        popularity = drawn if trace is None else trace.topic_popularity
        self.population = Population(self.config, self.num_worlds, popularity, self.rng)

    @abstractmethod
    def _open_slot(self) -> None:
        """Set the slot about to be played."""

    def _begin_episode(self) -> None:
        config, rng, num_worlds = self.config, self.rng, self.num_worlds
        self._index = 0
        pairs = num_worlds, self.num_users, config.num_candidates
        given = self.population.given_of_experts()
        placement = Placement(self._laws.channel, *pairs[:2], given, rng["channel"])
        self.candidates, large_scale = Candidates.drawn(
            config, num_worlds, self.pool.topic, placement, rng["candidates"]
        )
        self.channel = FadingChannel(
            placement,
            large_scale,
            pairs,
            Rate.of(config.channel),
            config.slot_s,
            config.channel.min_snr_db,
            self.candidates.lists,
        )
        owners = self.users.owners
        self.requests = begun(config, owners, self._laws.requests, num_worlds, rng["requests"])
        self.accounts = RequestAccounts(config, self.users, pairs[:2], rng["judge"])
        self.occupancy = Occupancy.idle(pairs, self.num_experts)
        self.budgets = UserBudgets.full(self.users, pairs[:2])
        self.batteries = Batteries.full(self.pool)
        initial = initial_demand(config, self._pace), initial_work(config, self._pace)
        duty = None
        if config.duty is not None:
            shape = num_worlds, self.num_experts
            duty = DutyPlan(config.duty, self.mechanism, config.slot_s, shape)
        self.market = Marketplace(
            self.mechanism, config.market, self.pool, self.num_users, initial, duty
        )
        self.population.draw_available()
        self.crowding = None
        self.lots = self._lots()
        self._open_slot()

    def _lots(self) -> Float:
        return self.rng["lottery"].random((self.num_worlds, self.num_users))
