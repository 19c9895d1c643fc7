"""A slot of the world in one code for NumPy and for torch: what `array_api.py` times against
`envs.World`.

`ArrayWorld` is `World` with a namespace `xp` in place of NumPy: NumPy itself, which follows the
array API standard, or torch behind array-api-compat. With the same draws it plays the same
episodes. All users lie in one row (N U,) and so do all experts (N E,), as the standard's `take` has
one index. Two things are not in the standard: sums by expert (`_by_expert`) and writes at integer
indices. Bounds are `clip`, as compat's `minimum` of a number does not compile.

It covers what the default and the contention world need: free edge devices that are always up and
serve whoever asks. It neither checks the range of actions nor keeps books of payments, which is in
its favour.
"""

from math import inf, log, sqrt
from typing import Any

import array_api_compat.torch
import numpy as np
import torch
from array_draws import NumPyDraws, TorchDraws

from envs import WorldConfig
from envs import observation as layout
from envs.experts import attraction, draw_pool
from envs.occupancy import RECENT_WEIGHT
from envs.requests import MOST_AHEAD, SUBTASKS_AHEAD, topic_popularity

Array = Any  # of either library
NATS_PER_DB = log(10) / 10
OF_THE_EXPERT = (
    4,
    6,
    8,
    9,
)  # load, backlog, recent load, attraction: features that all users of a world see alike


class ArrayWorld:
    """N worlds of U users and E experts, as arrays of torch on `device`, or of NumPy where that is
    None.

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
        self.config, self.num_worlds, self.num_experts, self._device = (
            config,
            num_worlds,
            config.num_experts,
            device,
        )
        self.num_rows = num_worlds * config.num_users
        self._pool_rng, *streams = (
            np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)
        )
        self.xp = np if device is None else array_api_compat.torch
        self._draws = NumPyDraws(*streams) if device is None else TorchDraws(seed, device)
        rows, popularity = np.arange(self.num_rows), topic_popularity(config.requests)
        self._row, self._world = self._array(rows), self._array(rows // config.num_users)
        self._cumulative_popularity = self._array(np.cumsum(popularity)[:-1])
        self._scales = (
            1 / layout.LOAD_UNIT,
            1 / config.slot_s,
            1 / layout.LOAD_UNIT,
            config.num_experts,
        )
        self._largest = layout.LARGEST_LOAD, layout.LARGEST, layout.LARGEST_LOAD, layout.LARGEST
        self.usable = self._array(np.ones((num_worlds, 1, config.num_experts), bool))
        self._play, self._go_on = self._played, self._gone_on
        if compiled:
            self._play, self._go_on = (
                torch.compile(f, dynamic=False) for f in (self._played, self._gone_on)
            )
        self.observation = self.reset()

    def reset(self) -> Array:
        """Begin an episode with new experts. Returns observations (N U, D) float32."""
        config, requests = self.config, self.config.requests
        rows, experts = self.num_rows, self.num_worlds * self.num_experts
        pool = draw_pool(
            config.experts, self.num_worlds, self.num_experts, requests.num_topics, self._pool_rng
        )
        self.competence = self._array(pool.competence.reshape(-1))
        self.by_topic = self._array(pool.by_topic.reshape(-1, self.num_experts))
        self.attraction = self._array(
            attraction(pool.competence, topic_popularity(requests)).reshape(-1)
        )
        self.slot, (low, high) = 0, config.channel.snr_db
        self.mean_db = self.latent_db = (
            self._draws.uniform(rows, self.num_experts) * (high - low) + low
        )
        if config.channel.process == "gauss_markov":
            self.latent_db = self.mean_db + config.channel.sigma_db * self._draws.normal(
                rows, self.num_experts
            )
        most = requests.num_transferred or requests.num_subtasks
        self._ahead = max(1, min(MOST_AHEAD, SUBTASKS_AHEAD // (rows * most)))
        self.drawn = self._array(
            np.zeros((rows, self._ahead, most, 4))
        )  # weight, words, compute need, topic
        self.drawn_count = self._array(np.zeros((rows, self._ahead), np.int64))
        self.drawn_weight = self._array(np.zeros((rows, self._ahead)))
        self.request, self.position = (
            self._array(np.full(rows, self._ahead)),
            self._array(np.zeros(rows, np.int64)),
        )
        self.gained, self.gained_locally = self._array(np.zeros(rows)), self._array(np.zeros(rows))
        self.load, self.recent_load, self.backlog_s = (
            self._array(np.zeros(experts)) for _ in range(3)
        )
        self.last_expert = self._array(np.full(rows, -1))
        self.last_topic = self._popular(self._draws.uniform_double(rows))
        self._draw_requests()
        return self._shown()

    def step(self, actions: Array) -> tuple[Array, Array, dict[str, Array]]:
        """Play one slot; actions are integers (N U,).

        As `World.step`, with users of all worlds in one row.
        """
        info = self._play(actions)
        self._draw_requests()
        draw = (
            self._draws.normal
            if self.config.channel.process == "gauss_markov"
            else self._draws.uniform
        )
        self.observation = self._go_on(draw(self.num_rows, self.num_experts))
        self.slot += 1
        return self.observation, self.xp.astype(info["gain"], self.xp.float32), info

    def _played(self, actions: Array) -> dict[str, Array]:
        """What the transfers of the slot bring, and the accounts after it."""
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
        delay_s = transmission_s + xp.take(self.backlog_s, cell) + self.compute_s
        energy_j = channel.tx_power_w * transmission_s
        points = quality.drop_loss * config.requests.num_subtasks  # lost by abandoning all subtasks
        timely = xp.exp(
            xp.clip((quality.deadline_s - delay_s) * (1 / quality.lateness_s), None, 0.0)
        )
        competence = xp.take(self.competence, cell * config.requests.num_topics + self.topic)
        effective = xp.clip(competence, 0.0, None) * timely + xp.clip(competence, None, 0.0)
        loss, words_cost = points * self.weight, reward.credits_per_word * self.words
        qos = quality.recovered_share * loss * effective
        gain = served * (
            reward.credits_per_point * qos - words_cost - reward.credits_per_joule * energy_j
        )
        local_gain = reward.credits_per_point * loss - words_cost
        info = {
            "gain": gain,
            "local_gain": local_gain,
            "local_qos": loss,
            "qos": served * qos,
            "load": load,
        }
        info |= {"delay_s": served * delay_s, "energy_j": served * energy_j, "transferred": served}
        info |= {"rejected": ~allowed, "pending": self.pending}

        completing = self.position + 1 >= self.num_transferred
        base = reward.credits_per_point * (quality.local_score - points * self.transferred_weight)
        gained, gained_locally = self.gained + gain, self.gained_locally + local_gain
        info["utility"] = xp.where(completing, base + gained, xp.nan)
        info["local_utility"] = xp.where(completing, base + gained_locally, xp.nan)
        self.gained, self.gained_locally = (
            xp.where(completing, 0.0, sums) for sums in (gained, gained_locally)
        )
        work_s = self._by_expert(cell, served * (alone_s + self.compute_s))
        self.backlog_s = xp.clip(self.backlog_s + work_s - config.slot_s, 0.0, None)
        self.recent_load = self.recent_load + RECENT_WEIGHT * (load - self.recent_load)
        self.load, self.last_expert = load, xp.where(served, expert, -1)
        self.position = xp.where(completing, 0, self.position + self.pending)
        self.request = self.request + completing
        return info

    def _draw_requests(self) -> None:
        """Draw the next requests of users whose last is behind them (`RequestQueue._draw`)."""
        xp, config = self.xp, self.config.requests
        (rows,) = xp.nonzero(self.request == self._ahead)
        if not (users := rows.shape[0]):
            return
        draws = self._draws.uniform_double(users * self._ahead, *self.drawn.shape[2:])
        weight, words, compute, topic = (draws[..., column] for column in range(4))
        low, high = config.compute_need
        if config.num_transferred is not None:  # one, that of the greatest need
            compute = low + (high - low) * compute ** (1 / config.num_subtasks)
            weight = xp.full_like(weight, 1 / config.num_subtasks)
            transferred = xp.ones_like(weight, dtype=xp.bool)
        else:
            compute = low + (high - low) * compute
            weight = -xp.log1p(-weight)
            weight = weight / xp.sum(weight, axis=-1, keepdims=True)
            order = xp.argsort(-weight / compute, axis=-1, stable=True)  # `assess`
            spent = xp.cumulative_sum(xp.take_along_axis(compute, order, axis=-1), axis=-1)
            transferred = (
                xp.take_along_axis(spent, xp.argsort(order, axis=-1), axis=-1)
                > config.local_compute
            )
        total = xp.sum(weight * transferred, axis=-1)
        first = xp.argsort(xp.astype(~transferred, xp.int8), axis=-1, stable=True)
        weight, compute = (xp.take_along_axis(table, first, axis=-1) for table in (weight, compute))
        words = config.words[0] + (config.words[1] - config.words[0]) * words
        count = xp.reshape(xp.sum(xp.astype(transferred, xp.int64), axis=-1), (users, self._ahead))
        topic = self._topics(rows, xp.reshape(topic, (users, self._ahead, -1)), count)
        drawn = xp.stack(
            [weight, words, compute, xp.reshape(xp.astype(topic, xp.float64), weight.shape)],
            axis=-1,
        )
        self.drawn[rows] = xp.reshape(drawn, (users, *self.drawn.shape[1:]))
        self.drawn_count[rows], self.drawn_weight[rows] = (
            count,
            xp.reshape(total, (users, self._ahead)),
        )
        self.request[rows] = 0

    def _topics(self, rows: Array, uniform: Array, count: Array) -> Array:
        """A Markov chain along the subtasks to transfer: keep the topic, or draw one by popularity."""
        xp, persistence = self.xp, self.config.requests.topic_persistence
        topic = self._popular(uniform)
        if persistence == 0:
            return topic
        kept, last = self._draws.uniform_double(*topic.shape) < persistence, self.last_topic[rows]
        for r in range(topic.shape[1]):
            for k in range(topic.shape[2]):
                topic[:, r, k] = xp.where(
                    kept[:, r, k], topic[:, r, k - 1] if k else last, topic[:, r, k]
                )
            final = xp.take_along_axis(
                topic[:, r], xp.clip(count[:, r] - 1, 0, None)[:, None], axis=1
            )[:, 0]
            last = xp.where(count[:, r] > 0, final, last)
        self.last_topic[rows] = last
        return topic

    def _gone_on(self, draws: Array) -> Array:
        """Channels of the next slot from its draws, and what users then see."""
        channel = self.config.channel
        if channel.process == "iid":
            low, high = channel.snr_db
            self.latent_db = draws * (high - low) + low
        else:
            rho = channel.slot_correlation(self.config.slot_s)
            spread = sqrt(1 - rho**2) * channel.sigma_db
            self.latent_db = draws * spread + rho * self.latent_db + (1 - rho) * self.mean_db
        return self._shown()

    def _shown(self) -> Array:
        """Take up the slot's requests, mask and channels; write the observations, (N U, D) float32."""
        xp, config, experts = self.xp, self.config, self.num_experts
        ahead, most = self.drawn.shape[1:3]
        request = self._row * ahead + self.request
        self.num_transferred = xp.take(xp.reshape(self.drawn_count, (-1,)), request)
        self.transferred_weight = xp.take(xp.reshape(self.drawn_weight, (-1,)), request)
        self.pending = self.position < self.num_transferred
        subtask = request * most + xp.clip(self.position, None, most - 1)
        drawn = xp.take(xp.reshape(self.drawn, (-1, 4)), subtask, axis=0)
        self.weight, self.words, compute = (drawn[:, column] * self.pending for column in range(3))
        self.compute_s = self.words / (config.experts.words_per_second or inf)
        self.topic = xp.astype(drawn[:, 3], xp.int64)
        allowed = self.usable & xp.reshape(self.pending, (self.num_worlds, -1, 1))  # (N, U, E)
        self.mask = xp.concat(
            [xp.reshape(allowed, (-1, experts)), xp.ones_like(self.pending)[:, None]], axis=1
        )
        snr = xp.exp(xp.clip(self.latent_db, *config.channel.snr_db) * NATS_PER_DB)
        bits = (
            (config.channel.prompt_words + self.words) * config.channel.bits_per_word * self.pending
        )
        alone = xp.astype(bits / config.channel.bandwidth_hz, xp.float32)[
            :, None
        ]  # s Hz, a second of each bit/s/Hz
        alone_s = xp.reshape(alone / (xp.log1p(snr) * (1 / log(2))), allowed.shape)

        features = layout.NUM_EXPERT_FEATURES
        size, single = (
            layout.NUM_USER_FEATURES + experts * features,
            {"dtype": xp.float32, "device": self._device},
        )
        observation = xp.empty((self.num_rows, size), **single)
        observation[:, 0], observation[:, 1] = (
            self.pending,
            self.weight * config.requests.num_subtasks,
        )
        observation[:, 2] = self.words / config.requests.words[1]
        observation[:, 3] = compute / config.requests.compute_need[1]
        block = xp.reshape(observation[:, layout.NUM_USER_FEATURES :], (*allowed.shape, features))
        alike = xp.zeros((self.num_worlds, 1, experts, features), **single)
        seen = self.load, self.backlog_s, self.recent_load, self.attraction
        for feature, value, scale, most in zip(
            OF_THE_EXPERT, seen, self._scales, self._largest, strict=True
        ):
            alike[:, 0, :, feature] = xp.reshape(xp.clip(value * scale, None, most), (-1, experts))
        block[...] = alike
        block[..., 0] = allowed
        competence = xp.take(
            self.by_topic, self._world * config.requests.num_topics + self.topic, axis=0
        )
        block[..., 1] = xp.reshape(
            xp.clip(competence, -layout.COMPETENCE_BOUND, layout.COMPETENCE_BOUND), allowed.shape
        )
        block[..., 2] = alone_s * (config.reward.credits_per_joule * config.channel.tx_power_w)
        compute_s = xp.reshape(xp.astype(self.compute_s, xp.float32), (self.num_worlds, -1, 1))
        block[..., 3] = xp.clip(
            (alone_s + compute_s) * (1 / config.quality.deadline_s), None, layout.LARGEST
        )
        served, last = (
            xp.astype(self.last_expert >= 0, xp.float64),
            xp.clip(self.last_expert, 0, None),
        )
        others = xp.take(self.load, self._world * experts + last) - served
        crowd = xp.clip(others * (1 / layout.LOAD_UNIT), None, layout.LARGEST_LOAD)
        at, flat = (
            self._row * size + layout.NUM_USER_FEATURES + last * features,
            xp.reshape(observation, (-1,)),
        )
        flat[at + 4] = xp.astype(
            crowd, xp.float32
        )  # where nobody served: what expert 0 has already
        flat[at + 5] = xp.astype(served, xp.float32)
        return observation

    def _by_expert(self, cell: Array, amount: Array) -> Array:
        """Sum of `amount` (N U,) over the users of each expert, (N E,)."""
        size = self.num_worlds * self.num_experts
        if self._device is None:
            return np.bincount(cell, amount, minlength=size)
        return torch.zeros(size, dtype=torch.float64, device=self._device).index_add(
            0, cell, amount.double()
        )

    def _popular(self, uniform: Array) -> Array:
        flat = self.xp.asarray(
            self.xp.reshape(uniform, (-1,)), copy=True
        )  # torch asks for what is contiguous
        return self.xp.reshape(
            self.xp.searchsorted(self._cumulative_popularity, flat, side="right"), uniform.shape
        )

    def _array(self, values: np.ndarray) -> Array:
        return self.xp.asarray(values, device=self._device, copy=True)
