"""N worlds at once, each with U users and E experts: the only place where slots are played."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

import mechanisms
from envs import actions as act
from envs import books, quality
from envs.arrays import Float
from envs.conditions import Conditions
from envs.crowding import Crowding
from envs.delivery import Choice, Delivery, choose, deliver
from envs.offer import Offer
from envs.reports import user_reports
from envs.roles import features as role_features
from envs.roles.features import RoleSight, observed
from envs.roles.rewards import Rewards, rewards_of
from envs.slot import Slot, SlotResult
from envs.state import State
from envs.transfers import Transfers
from envs.world_parts import WorldParts


class World(WorldParts):
    """Users who transfer subtasks to edge experts over fading channels, N worlds in lockstep.

    One step is one slot. Actions are integers (N, U): c < C transfers the pending subtask to the
    expert in column c of the user's candidates (`envs.candidates`), C abandons it. A masked action
    counts as abandoning and is marked `rejected`. Rewards (N, U) float32 are gains over abandoning,
    credits. Episodes last `config.episode_slots` and only truncate, but where users have a budget
    over the episode (`terminates`): once `done`, call `reset`.

    Requests, channels, availability and judge noise have generators of their own and never depend
    on actions: under one seed every policy meets the same world.

    Args:
        config: the worlds' configuration; WorldConfig() if left out.
        num_worlds: N.
        seed: seed of all randomness; None draws one from the operating system.
        mechanism: sets prices and payments; `mechanisms.make("none")` if left out.

    Raises:
        ValueError: fewer than one world, or a trace that cannot be read or is too small.
        MechanismError: the first clearing failed.
        ChannelError: the channel process gave no channel; so in `reset` and `step`.
    """

    def reset(self, seed: int | None = None) -> NDArray[np.float32]:
        """Begin an episode and return its observations, (N, U, D) float32.

        With a seed all randomness starts anew from it.
        """
        if seed is not None:
            self._seed(seed)
        elif not self.fresh and self.config.experts.resample == "episode":
            self.population.draw_pool()
        if seed is None and self.fresh:
            self._open_slot()  # a part, such as the channel, may have been replaced
        else:
            self._begin_episode()
        self.fresh = False
        return self.slot.observation

    @property
    def decides(self) -> bool:
        """True where edge devices and the platform choose: a clearing follows, or would at the end.

        What they choose in the last slot of an episode has no effect.
        """
        if self.done or mechanisms.is_free(self.mechanism):
            return False
        return self.market.is_last_slot or self._index == self.config.episode_slots - 1

    @property
    def edge_device_observation(self) -> NDArray[np.float32]:
        """What each edge device sees of the slot, (N, E, D) (`envs.roles.features`)."""
        sight = RoleSight.of(self.slot.conditions, self.market, self.decides)
        return observed(role_features.EDGE_DEVICE_FEATURES, sight, self.num_experts)

    @property
    def platform_observation(self) -> NDArray[np.float32]:
        """What the platform sees of the slot, (N, 1, D) (`envs.roles.features`)."""
        sight = RoleSight.of(self.slot.conditions, self.market, self.decides)
        return observed(role_features.PLATFORM_FEATURES, sight, 1)

    @property
    def role_rewards(self) -> Rewards:
        """Rewards of edge devices and the platform for the last slot (`envs.roles.rewards`).

        After `add_experts` they are those of the interval that it cut, 0 for the newcomers.
        """
        aim = self.config.roles.platform_reward
        return rewards_of(self.closed_clearing, aim, self.num_worlds, self.num_experts)

    def step(
        self,
        actions: ArrayLike,
        edge_devices: ArrayLike | None = None,
        platform: ArrayLike | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], SlotResult]:
        """Play one slot.

        Args:
            actions: (N, U) integers in 0..C.
            edge_devices: (N, E) what each edge device chooses for the coming clearing
                (`envs.roles.levers`), if this slot `decides`; None: they keep what they reported.
            platform: (N,) what the platform chooses, likewise.

        Returns:
            Next observations (N, U, D) float32, rewards (N, U) float32, results of this slot.

        Raises:
            ValueError: actions of a wrong shape, not integer or out of range.
            RuntimeError: the episode is over.
        """
        if self.done:
            raise RuntimeError("the episode is over: call reset before the next step")
        checked = act.checked(actions, (self.num_worlds, self.num_users), self.num_candidates)
        levers = self.market.levers.moved(self.config.roles, edge_devices, platform)
        self.fresh = False
        choice = choose(self.slot, checked)
        transfers = Transfers.of(self.slot, choice.column, choice.requested)
        clears = self.market.is_last_slot and self._index + 1 < self.config.episode_slots
        result = self._book(choice, transfers, deliver(transfers))
        if clears:
            self.market.levers = levers
        self._next_slot()
        return self.slot.observation, result.gain.astype(np.float32), result

    def place_subtask(
        self, world: int, user: int, weight: float, words: float, compute: float, topic: int
    ) -> None:
        """Replace a user's request by one subtask, see `RequestQueue.place`, in the present slot.

        A mechanism that allocates is cleared again.

        Raises:
            ValueError: a value lies outside the model; the message names it.
        """
        self.requests.place(world, user, weight, words, compute, topic)
        self.accounts.reopen(world, user)
        self.market.due |= self.mechanism.allocates
        self._open_slot()

    def add_experts(self, count: int) -> None:
        """Add `count` experts to every world (the paper's model upgrade).

        Topics go on as e mod M; groups and lists of numbers begin anew. The slot, its channels and
        backlogs go on; prices are set anew. Candidate lists keep their length: newcomers replace
        those that the rule no longer puts there.

        Raises:
            ValueError: `count` is below 1, or the channel process has no more experts.
        """
        if count < 1:
            raise ValueError(f"count should be at least 1, got {count}")
        self._grow(count)
        self._open_slot()

    def get_state(self) -> State:
        """Return a copy of the whole state, from which `set_state` goes on bit for bit.

        Raises:
            RuntimeError: experts have joined since the last slot, whose books are of fewer.
        """
        closed = self.closed_clearing
        if closed is not None and closed.points.shape[-1] != self.num_experts:
            raise RuntimeError("experts have joined since the last slot: step before get_state")
        return self._state()

    def set_state(self, state: State) -> None:
        """Go on as the world that gave `state`, of this one's configuration, size and mechanism.

        Raises:
            ValueError: an entry does not fit, such as the number of experts; nothing has changed.
        """
        self._put_back(state)
        self._open_slot()

    def _open_slot(self) -> None:
        """Set the slot about to be played, after a clearing of the market where that is due."""
        conditions = Conditions.begin(
            config=self.config,
            index=self._index,
            pool=self.pool,
            users=self.users,
            attraction=self.population.attraction,
            candidates=self.candidates,
            subtasks=self.requests.subtasks,
            links=self.channel.links,
            positions=self.positions,
            placed_experts=self.channel.experts,
            available=self.available,
            occupancy=self.occupancy,
            budgets=self.budgets,
            batteries=self.batteries,
            mean_work=self._pace.mean_work,
            serving_share=self.pool.serving_share,
        )
        if self.market.due:
            reports = user_reports(conditions) if self.mechanism.allocates else None
            self.market.clear(self._index, reports)
        if hasattr(self, "slot"):
            del self.slot  # its observation is larger than caches are: the next one reuses memory
        offer, account = self.market.offer, self.market.account
        if offer.duty is not None:
            left = self.pool.serving_share - offer.duty.share
            conditions = replace(conditions, serving_share=left)
        drawn = self._drawn(conditions, offer)
        self.slot = Slot.opened(conditions, offer, self._layout, self.lots, account, drawn)

    def _drawn(self, conditions: Conditions, offer: Offer) -> Float | None:
        """Return how many others the offer draws to each expert, where users count on them."""
        if not self.config.counts_on_strangers:
            return None
        if self.crowding is None:
            self.crowding = Crowding(conditions, offer, self.rng["strangers"], self._laws)
        else:
            self.crowding.update(conditions, offer)
        return self.crowding.drawn

    def _book(self, choice: Choice, transfers: Transfers, delivery: Delivery) -> SlotResult:
        """Book gains, market, loads, backlogs and budgets of a slot."""
        booked = books.of_experts(transfers, delivery)
        subtasks, loss = self.slot.conditions.subtasks, self.slot.conditions.loss
        local_gain = quality.local_gain(self.users.worth, loss, subtasks.words)
        gains = self.accounts.settle(self.requests, delivery.gain, local_gain)
        self.market.settle(
            booked.asked,
            points=booked.points,
            payment=booked.payment,
            cost=booked.edge_cost,
            charge=delivery.charge,
            gain=gains.gain,
            airtime_s=booked.airtime_s,
        )
        result = books.result(choice, transfers, delivery, booked, gains, self.requests.refused)
        self.occupancy = self.occupancy.after(
            load=booked.load,
            last_expert=result.expert,
            column=self.candidates.column(result.expert),
            airtime_s=booked.airtime_s,
            compute_s=booked.work / self.pool.words_per_second,
            slot_s=self.config.slot_s,
            serving_share=self.slot.conditions.serving_share,
        )
        self.budgets = self.budgets.after(delivery.user_energy_j, delivery.charge)
        self.batteries = self.batteries.after(booked.battery_j, self.pool, self.config.slot_s)
        return result

    def _next_slot(self) -> None:
        self._index += 1
        self.requests.advance()
        self.channel.advance()
        self.population.advance()
        self.lots = self._lots()
        if self.done and self.market.closed is None:
            self.market.close()
        self._open_slot()
