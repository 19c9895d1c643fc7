"""The plan of a duty: what it offers to a clearing, and the terms that follow of its outcome."""

import numpy as np

from envs.arrays import Float
from envs.duty.config import DutyConfig
from envs.duty.terms import DutyTerms
from envs.experts import ExpertPool
from envs.geometry.models import MODEL
from mechanisms import Duties, Market, Mechanism, Outcome, PartError, is_free
from mechanisms.auditing.utility import utilities
from mechanisms.errors import described

LEVELS = 21  # shares of time that an expert chooses from, evenly spaced in what they achieve


class DutyPlan:
    """What experts of N worlds can do beside serving, at what they expect to be asked.

    An expert supposes that what is asked of it, on average, takes the airtime that it took, and
    that what does not fit into its time is lost. Before the first slot it supposes that serving
    takes all of its time.

    Attributes:
        airtime_s: (N, E) airtime taken on in a slot, smoothed, s.

    Args:
        config: of the duty.
        mechanism: sets prices and payments.
        slot_s: length of a slot, s.
        shape: (N, E).

    Raises:
        ValueError: the mechanism cannot have a price of `config` beside it.
    """

    def __init__(
        self, config: DutyConfig, mechanism: Mechanism, slot_s: float, shape: tuple[int, ...]
    ) -> None:
        if config.price is not None and is_free(mechanism):
            raise ValueError(
                f"duty.price has no effect with mechanism {mechanism.name}, under which edge "
                "devices are not paid; leave it out"
            )
        self.config, self.task, self.slot_s = config, config.made(), slot_s
        self.airtime_s = np.full(shape, slot_s)

    def grown(self, num_experts: int) -> None:
        """Go on with more experts, which suppose that serving takes all of their time."""
        more = num_experts - self.airtime_s.shape[-1]
        self.airtime_s = np.pad(self.airtime_s, ((0, 0), (0, more)), constant_values=self.slot_s)

    def book(self, airtime_s: Float, weight: float) -> None:
        """Book the airtime taken on in a slot, (N, E) s, which counts by `weight`."""
        self.airtime_s = self.airtime_s + weight * (airtime_s - self.airtime_s)

    def offered(self, pool: ExpertPool) -> Duties:
        """Return what the experts can do, as a market tells it.

        Raises:
            PartError: the code of the duty failed, or gave what none achieves.
        """
        try:
            return self._offered(pool)
        except Exception as error:  # of whatever a duty of a user's own does
            raise PartError(f"duty {self.config.task[MODEL]}: {described(error)}") from error

    def _offered(self, pool: ExpertPool) -> Duties:
        has = np.broadcast_to(pool.serving_share, self.airtime_s.shape)
        ends = self.task.achieved(
            np.stack([np.full(has.shape, self.config.owed_s()), self._most_s(has)], axis=-1)
        )
        step = np.linspace(0.0, 1.0, LEVELS)
        time_s = self.task.time_s(ends[..., :1] + step * (ends[..., 1:] - ends[..., :1]))
        # The ends as they are, and not as the inverse rounds.
        time_s[..., 0], time_s[..., -1] = self.config.owed_s(), self._most_s(has)
        asked = np.maximum(self.airtime_s, 1e-9 * self.slot_s)[..., None]
        left_s = has[..., None] * self.slot_s - time_s
        return Duties(
            share=np.asarray(time_s / self.slot_s, np.float64),
            achieved=np.asarray(self.task.achieved(time_s), np.float64),
            cost=np.asarray(self.task.cost(time_s), np.float64),
            kept=np.minimum(left_s / asked, 1.0),
            value=np.full(has.shape, self.config.value),
        )

    def terms(self, mechanism: Mechanism, truth: Market, outcome: Outcome) -> DutyTerms:
        """Return what experts do after a clearing.

        Paid at a price they spend the time that earns them most, at true costs and what is asked;
        where the mechanism orders (`Market.effort`), what is ordered, or what they owe where they
        would lose by it. Unpaid they do what they owe.

        Args:
            mechanism: that decided.
            truth: the market at true costs.
            outcome: decided.

        Raises:
            ValueError: the price is set by the mechanism and by the configuration.
        """
        duties = truth.duties
        assert duties is not None  # it is told what `offered` gives
        level = np.zeros(duties.value.shape, np.int64)
        price = np.zeros(duties.value.shape)
        order = outcome.duty
        if order is not None and self.config.price is not None:
            raise ValueError(
                f"duty.price has no effect with mechanism {mechanism.name}, which pays for the "
                "duty itself; leave it out"
            )
        if order is not None or self.config.price is not None:
            price = np.full(level.shape, self.config.price) if order is None else order.price
            profit = utilities(mechanism, truth, outcome)["edge_devices"]
            level = duties.answer(price, profit)
            if order is not None and truth.effort == "enforced":
                earned = duties.earned(price, profit)
                ordered = np.take_along_axis(earned, order.level[..., None], axis=-1)[..., 0]
                level = np.where(ordered >= earned[..., 0], order.level, 0)
        share, achieved, cost = duties.at(level)
        return DutyTerms(share, achieved, cost, price * achieved)

    def _most_s(self, has: Float) -> Float:
        """Return the greatest time of a slot that experts with these shares of it spend, s."""
        return np.maximum(self.config.most_share * has * self.slot_s, self.config.owed_s())
