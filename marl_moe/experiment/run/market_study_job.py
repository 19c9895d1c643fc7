"""The job of a market study: a mechanism audited with one seed at one sweep point."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.job import Job, Tables
from marl_moe.experiment.study.market_study import study
from marl_moe.experiment.training.resources import Bundles, bundles_of


@dataclass(frozen=True)
class MarketStudyJob(Job):
    """Markets sampled from the world, and a mechanism audited in them."""

    results: ClassVar[str] = "audit"

    @property
    def tables(self) -> tuple[str, ...]:
        """See `Job`."""
        return ("audit", "regret")

    @property
    def steps(self) -> int:
        """See `Job`: the one audit."""
        return 1

    @property
    def amounts(self) -> Mapping[str, int]:
        """See `Job`."""
        return {"markets audited": self.spec.audit.markets}

    def bundles(self) -> Bundles:
        """See `Job`."""
        return bundles_of(None)

    def run(self, progress: Progress) -> Tables:
        """See `Job`."""
        tables = study(self.spec, self.seed)._asdict()
        progress.on_audit(self.seed, self.spec.mechanism.name)
        return {name: self.identified(frame) for name, frame in tables.items()}

    def clean_up(self) -> None:
        """See `Job`: an audit leaves nothing on the way."""
