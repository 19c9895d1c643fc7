"""A slot of the world in one code for NumPy and for torch, timed against `World` by `array_api.py`.

`ArrayWorld` is `World` with a namespace `xp` in place of NumPy: NumPy itself, which follows the
array API standard, or torch behind array-api-compat. With the same draws it plays the same
episodes. All users lie in one row (N U,) and so do all experts (N E,), as the standard's `take` has
one index. Two things are not in the standard: sums by expert (`_by_expert`) and writes at integer
indices. Bounds are `clip`, as compat's `minimum` of a number does not compile.

It covers what the default and the contention world need: free edge devices that are always up,
serve whoever asks, share the band equally (`spectral_density`) and compute in batches. It neither
checks the range of actions nor keeps books of payments, which is in its favour.
"""

from math import inf, log, sqrt
from typing import Any

import array_api_compat.torch
import numpy as np
import torch
from array_draws import NumPyDraws, TorchDraws
from array_requests import draw_requests, persist

from envs import WorldConfig, readings
from envs import features as layout
from envs.channel import GaussMarkov
from envs.expected_demand import pace_of
from envs.experts import attraction, draw_pool
from envs.occupancy import RECENT_WEIGHT
from envs.requests import MOST_AHEAD, SUBTASKS_AHEAD, topic_popularity
from envs.streams import generators

Array = Any  # of either library
NATS_PER_DB = log(10) / 10
# Features that all users of a world see alike: load, backlog of airtime, recent load, attraction,
# backlog of computing, which is shown where experts take time to compute.
OF_THE_EXPERT = (4, 6, 8, 9, 12)


class ArrayWorld:
    """N worlds of U users and E experts, as arrays of NumPy or of torch.

    Args:
        config: the world.
        num_worlds: N.
        seed: seeds all draws.
        device: device of torch's arrays, None for NumPy's.
        compiled: whether torch compiles what lies between the draws of a slot.
    """

    def __init__(
        self,
        config: WorldConfig,
        num_worlds: int,
        seed: int,
        device: str | None = None,
        compiled: bool = False,
    ) -> None:
        self.config, self.num_worlds, self._device = config, num_worlds, device
        self.num_experts = config.num_experts
        self.num_rows = num_worlds * config.num_users
        self._pool_rng, *streams = (
            np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)
        )
        self.xp = np if device is None else array_api_compat.torch
        self._draws = NumPyDraws(*streams) if device is None else TorchDraws(seed, device)
        rows, popularity = np.arange(self.num_rows), topic_popularity(config.requests)
        self._row, self._world = self._array(rows), self._array(rows // config.num_users)
        self._numbers = self._array(np.arange(config.num_experts))
        self._mean_work = pace_of(config, None).mean_work
        self._cumulative_popularity = self._array(np.cumsum(popularity)[:-1])
        per_load, per_second = 1 / layout.LOAD_UNIT, 1 / config.slot_s
        self._scales = per_load, per_second, per_load, config.num_experts, per_second
        self._largest = (
            *(layout.LARGEST_LOAD, readings.LARGEST, layout.LARGEST_LOAD),
            *(readings.LARGEST, readings.LARGEST),
        )
        self._computes = config.experts.words_per_second is not None
        self.usable = self._array(np.ones((num_worlds, 1, config.num_experts), bool))
        self._play, self._go_on = self._played, self._gone_on
        if compiled:
            self._play = torch.compile(self._played, dynamic=False)
            self._go_on = torch.compile(self._gone_on, dynamic=False)
        self.observation = self.reset()

    def reset(self) -> Array:
        """Begin an episode with new experts; return observations (N U, D) float32."""
        config, requests = self.config, self.config.requests
        rows, experts = self.num_rows, self.num_worlds * self.num_experts
        streams = generators(0, None) | {"pool": self._pool_rng}
        pool = draw_pool(config, self.num_worlds, streams)
        self.competence = self._array(pool.competence.reshape(-1))
        self.by_topic = self._array(pool.by_topic.reshape(-1, self.num_experts))
        self.attraction = self._array(
            attraction(pool.competence, topic_popularity(requests)).reshape(-1)
        )
        self.slot, (low, high) = 0, config.channel.snr_db
        self.mean_db = self._draws.uniform(rows, self.num_experts) * (high - low) + low
        self.latent_db = self.mean_db
        if config.channel.process == "gauss_markov":
            normal = self._draws.normal(rows, self.num_experts)
            self.latent_db = self.mean_db + config.channel.sigma_db * normal
        most = requests.num_transferred or requests.num_subtasks
        self._ahead = max(1, min(MOST_AHEAD, SUBTASKS_AHEAD // (rows * most)))
        # weight, words, compute need, topic
        self.drawn = self._array(np.zeros((rows, self._ahead, most, 4)))
        self.drawn_count = self._array(np.zeros((rows, self._ahead), np.int64))
        self.drawn_weight = self._array(np.zeros((rows, self._ahead)))
        self.request = self._array(np.full(rows, self._ahead))
        self.position = self._array(np.zeros(rows, np.int64))
        self.gained = self._array(np.zeros(rows))
        self.gained_locally = self._array(np.zeros(rows))
        self.load = self._array(np.zeros(experts))
        self.recent_load = self._array(np.zeros(experts))
        self.own_recent_load = self._array(np.zeros((rows, self.num_experts)))
        self.airtime_backlog_s = self._array(np.zeros(experts))
        self.compute_backlog_s = self._array(np.zeros(experts))
        self.last_expert = self._array(np.full(rows, -1))
        self.last_topic = self._popular(self._draws.uniform_double(rows))
        self._draw_requests()
        return self._shown()

    def step(self, actions: Array) -> tuple[Array, Array, dict[str, Array]]:
        """Play one slot as `World.step` does, with users of all worlds in one row.

        Args:
            actions: integers (N U,).
        """
        info = self._play(actions)
        self._draw_requests()
        gaussian = self.config.channel.process == "gauss_markov"
        draw = self._draws.normal if gaussian else self._draws.uniform
        self.observation = self._go_on(draw(self.num_rows, self.num_experts))
        self.slot += 1
        return self.observation, self.xp.astype(info["gain"], self.xp.float32), info

    def _played(self, actions: Array) -> dict[str, Array]:
        """Return the results of the slot's transfers, and bring the accounts up to date."""
        xp, config, experts = self.xp, self.config, self.num_experts
        channel, quality, reward = config.channel, config.quality, config.reward
        allowed = xp.take(xp.reshape(self.mask, (-1,)), self._row * (experts + 1) + actions)
        served = allowed & (actions < experts)
        expert = xp.where(served, actions, 0)
        cell = self._world * experts + expert
        load = self._by_expert(cell, served)
        bits = (channel.prompt_words + self.words) * channel.bits_per_word
        snr_db = xp.clip(
            xp.take(xp.reshape(self.latent_db, (-1,)), self._row * experts + expert),
            *channel.snr_db,
        )
        efficiency = xp.log1p(xp.exp(xp.astype(snr_db, xp.float64) * NATS_PER_DB)) * (1 / log(2))
        alone_s = bits / (channel.bandwidth_hz * efficiency)
        transmission_s = alone_s * xp.clip(xp.take(load, cell), 1.0, None)
        airtime_s = self._by_expert(cell, served * alone_s)
        computing_s = self._by_expert(cell, served * self.compute_s)
        computed_s = xp.take(self.compute_backlog_s + computing_s, cell)
        delay_s = xp.take(self.airtime_backlog_s, cell) + transmission_s + computed_s
        energy_j = channel.tx_power_w * alone_s
        points = quality.drop_loss * config.requests.num_subtasks  # lost by abandoning all subtasks
        timely = xp.exp(
            xp.clip((quality.deadline_s - delay_s) * (1 / quality.lateness_s), None, 0.0)
        )
        competence = xp.take(self.competence, cell * config.requests.num_topics + self.topic)
        loss, words_cost = points * self.weight, reward.credits_per_word * self.words
        qos = quality.recovered_share * loss * xp.clip(competence, 0.0, None) * timely
        harm = quality.recovered_share * loss * -xp.clip(competence, None, 0.0)
        costs = words_cost + reward.credits_per_joule * energy_j
        gain = served * (reward.credits_per_point * (qos - harm) - costs)
        local_gain = reward.credits_per_point * loss - words_cost
        info = {
            "gain": gain,
            "local_gain": local_gain,
            "local_qos": loss,
            "qos": served * qos,
            "harm": served * harm,
            "airtime_s": airtime_s,
            "work_words": self._by_expert(cell, served * self.work),
            "load": load,
            "delay_s": served * delay_s,
            "energy_j": served * energy_j,
            "transferred": served,
            "rejected": ~allowed,
            "pending": self.pending,
        }

        completing = self.position + 1 >= self.num_transferred
        base = reward.credits_per_point * (quality.local_score - points * self.transferred_weight)
        gained, gained_locally = self.gained + gain, self.gained_locally + local_gain
        info["utility"] = xp.where(completing, base + gained, xp.nan)
        info["local_utility"] = xp.where(completing, base + gained_locally, xp.nan)
        self.gained = xp.where(completing, 0.0, gained)
        self.gained_locally = xp.where(completing, 0.0, gained_locally)
        self.airtime_backlog_s = xp.clip(
            self.airtime_backlog_s + airtime_s - config.slot_s, 0.0, None
        )
        self.compute_backlog_s = xp.clip(
            self.compute_backlog_s + computing_s - config.slot_s, 0.0, None
        )
        self.recent_load = self.recent_load + RECENT_WEIGHT * (load - self.recent_load)
        own = xp.astype((self._numbers == expert[:, None]) & served[:, None], xp.float64)
        self.own_recent_load = self.own_recent_load + RECENT_WEIGHT * (own - self.own_recent_load)
        self.load, self.last_expert = load, xp.where(served, expert, -1)
        self.position = xp.where(completing, 0, self.position + self.pending)
        self.request = self.request + completing
        return info

    def _draw_requests(self) -> None:
        """Draw the next requests of users whose last is behind them (`RequestQueue._draw`)."""
        xp, config = self.xp, self.config.requests
        (rows,) = xp.nonzero(self.request == self._ahead)
        users = rows.shape[0]
        if not users:
            return
        uniform = self._draws.uniform_double(users * self._ahead, *self.drawn.shape[2:])
        new = draw_requests(xp, config, uniform, users)
        topic = self._popular(new.topic)
        if config.topic_persistence:
            kept = self._draws.uniform_double(*topic.shape) < config.topic_persistence
            topic, last = persist(xp, topic, kept, self.last_topic[rows], new.count)
            self.last_topic[rows] = last
        topic = xp.reshape(xp.astype(topic, xp.float64), new.weight.shape)
        drawn = xp.stack([new.weight, new.words, new.compute, topic], axis=-1)
        self.drawn[rows] = xp.reshape(drawn, (users, *self.drawn.shape[1:]))
        self.drawn_count[rows] = new.count
        self.drawn_weight[rows] = xp.reshape(new.transferred, (users, self._ahead))
        self.request[rows] = 0

    def _gone_on(self, draws: Array) -> Array:
        """Return the observations after the channels of the next slot from its draws."""
        channel = self.config.channel
        if channel.process == "iid":
            low, high = channel.snr_db
            self.latent_db = draws * (high - low) + low
        else:
            process = channel.made()
            assert isinstance(process, GaussMarkov)
            rho = process.slot_correlation(self.config.slot_s)
            spread = sqrt(1 - rho**2) * channel.sigma_db
            self.latent_db = draws * spread + rho * self.latent_db + (1 - rho) * self.mean_db
        return self._shown()

    def _shown(self) -> Array:
        """Return observations (N U, D) float32, with the slot's requests, mask and channels."""
        xp, config, experts = self.xp, self.config, self.num_experts
        ahead, most = self.drawn.shape[1:3]
        request = self._row * ahead + self.request
        self.num_transferred = xp.take(xp.reshape(self.drawn_count, (-1,)), request)
        self.transferred_weight = xp.take(xp.reshape(self.drawn_weight, (-1,)), request)
        self.pending = self.position < self.num_transferred
        subtask = request * most + xp.clip(self.position, None, most - 1)
        drawn = xp.take(xp.reshape(self.drawn, (-1, 4)), subtask, axis=0)
        self.weight, self.words, compute = (drawn[:, column] * self.pending for column in range(3))
        self.work = self.words * compute * (2 / sum(config.requests.compute_need))
        self.compute_s = self.work / (config.experts.words_per_second or inf)
        self.topic = xp.astype(drawn[:, 3], xp.int64)
        allowed = self.usable & xp.reshape(self.pending, (self.num_worlds, -1, 1))  # (N, U, E)
        self.mask = xp.concat(
            [xp.reshape(allowed, (-1, experts)), xp.ones_like(self.pending)[:, None]], axis=1
        )
        snr = xp.exp(xp.clip(self.latent_db, *config.channel.snr_db) * NATS_PER_DB)
        words = config.channel.prompt_words + self.words
        bits = words * config.channel.bits_per_word * self.pending
        alone = xp.astype(bits / config.channel.bandwidth_hz, xp.float32)[:, None]  # s bit/s/Hz
        alone_s = xp.reshape(alone / (xp.log1p(snr) * (1 / log(2))), allowed.shape)

        own = len(layout.user_features(config))
        features = len(layout.expert_features(config, allocates=False))
        size = own + experts * features
        single = {"dtype": xp.float32, "device": self._device}
        observation = xp.empty((self.num_rows, size), **single)
        observation[:, 0] = self.pending
        observation[:, 1] = self.weight * config.requests.num_subtasks
        observation[:, 2] = self.words / config.requests.words[1]
        observation[:, 3] = compute / config.requests.compute_need[1]
        block = xp.reshape(observation[:, own:], (*allowed.shape, features))
        alike = xp.zeros((self.num_worlds, 1, experts, features), **single)
        seen = (
            *(self.load, self.airtime_backlog_s, self.recent_load, self.attraction),
            *([self.compute_backlog_s] * self._computes),
        )
        for feature, value, scale, most in zip(
            OF_THE_EXPERT, seen, self._scales, self._largest, strict=False
        ):
            alike[:, 0, :, feature] = xp.reshape(xp.clip(value * scale, None, most), (-1, experts))
        block[...] = alike
        block[..., 0] = allowed
        competence = xp.take(
            self.by_topic, self._world * config.requests.num_topics + self.topic, axis=0
        )
        most = readings.COMPETENCE_BOUND
        block[..., 1] = xp.reshape(xp.clip(competence, -most, most), allowed.shape)
        block[..., 2] = alone_s * (config.reward.credits_per_joule * config.channel.tx_power_w)
        compute_s = xp.reshape(xp.astype(self.compute_s, xp.float32), (self.num_worlds, -1, 1))
        block[..., 3] = xp.clip(
            (alone_s + compute_s) * (1 / config.quality.deadline_s), None, readings.LARGEST
        )
        served = xp.astype(self.last_expert >= 0, xp.float64)
        last = xp.clip(self.last_expert, 0, None)
        of_all = xp.reshape(self.recent_load, (self.num_worlds, 1, -1))
        late = of_all - xp.reshape(self.own_recent_load, allowed.shape)
        of_others = xp.astype(xp.clip(late, 0.0, None), xp.float32)
        for feature, beside in ((10, xp.zeros_like(of_others)), (11, of_others)):
            block[..., feature] = self._expected_gain(beside, competence, alone_s, compute_s)
        others = xp.take(self.load, self._world * experts + last) - served
        crowd = xp.clip(others * (1 / layout.LOAD_UNIT), None, layout.LARGEST_LOAD)
        at = self._row * size + own + last * features
        flat = xp.reshape(observation, (-1,))
        # Where no expert served, this is the value that expert 0 has already.
        flat[at + 4] = xp.astype(crowd, xp.float32)
        flat[at + 5] = xp.astype(served, xp.float32)
        return observation

    def _expected_gain(
        self, beside: Array, competence: Array, alone_s: Array, compute_s: Array
    ) -> Array:
        """Return gains (N, U, E) beside so many others of mean work (`prospects.expected_gain`)."""
        xp, config = self.xp, self.config
        quality, reward = config.quality, config.reward
        shape = self.num_worlds, -1, 1
        backlog_s = self.airtime_backlog_s + self.compute_backlog_s
        others_s = beside * (self._mean_work / (config.experts.words_per_second or inf))
        delay_s = alone_s * (beside + 1) + compute_s + others_s
        delay_s = delay_s + xp.reshape(backlog_s, (self.num_worlds, 1, -1))
        timely = xp.exp(
            xp.clip((quality.deadline_s - delay_s) * (1 / quality.lateness_s), None, 0.0)
        )
        points = quality.drop_loss * config.requests.num_subtasks * quality.recovered_share
        competence = xp.reshape(competence, alone_s.shape)
        delivered = xp.clip(competence, 0.0, None) * timely + xp.clip(competence, None, 0.0)
        words = reward.credits_per_word * xp.reshape(self.words, shape)
        energy = reward.credits_per_joule * config.channel.tx_power_w * alone_s
        worth = reward.credits_per_point * points * xp.reshape(self.weight, shape)
        most = readings.most_gain(config)
        return xp.clip(worth * delivered - words - energy, -most, most)

    def _by_expert(self, cell: Array, amount: Array) -> Array:
        """Return the sum of `amount` (N U,) over the users of each expert, (N E,)."""
        size = self.num_worlds * self.num_experts
        if self._device is None:
            return np.bincount(cell, amount, minlength=size)
        zeros = torch.zeros(size, dtype=torch.float64, device=self._device)
        return zeros.index_add(0, cell, amount.double())

    def _popular(self, uniform: Array) -> Array:
        # A copy, since torch requires what is contiguous.
        flat = self.xp.asarray(self.xp.reshape(uniform, (-1,)), copy=True)
        topic = self.xp.searchsorted(self._cumulative_popularity, flat, side="right")
        return self.xp.reshape(topic, uniform.shape)

    def _array(self, values: np.ndarray) -> Array:
        return self.xp.asarray(values, device=self._device, copy=True)
