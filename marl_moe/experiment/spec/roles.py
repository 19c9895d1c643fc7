"""The section `algorithm.roles`: who learns beside the users."""

from typing import Literal

from pydantic import Field

from marl_moe.experiment.spec.section import Section
from marl_moe.policies.sides import FIXED, HEDGE, OTHER_SIDES, SAC, TRUTHFUL


class RolesSpec(Section):
    """Who plays each role of the market.

    What they may choose, and what the platform aims at, says `env.roles`.
    """

    users: Literal["sac"] = Field("sac", description="Users learn by `algorithm.name`")
    edge_devices: Literal["truthful", "sac", "hedge"] = Field(
        "truthful",
        description="They report their costs; or learn by SAC what to report, one network for all; "
        "or by hedging among factors, each by itself",
    )
    platform: Literal["fixed", "sac"] = Field(
        "fixed",
        description="It decides by market.value without a margin; or learns by SAC",
    )
    edge_devices_training_intensity: float = Field(
        8.0, gt=0, description="With sac: decisions trained on per decision collected"
    )
    platform_training_intensity: float = Field(
        64.0, gt=0, description="The same; a platform decides once where each device does"
    )

    def learner(self, role: str) -> str:
        """Return what plays a role."""
        return str(getattr(self, role))

    @property
    def learning(self) -> list[str]:
        """The sides beside the users that learn."""
        return [role for role in OTHER_SIDES if self.learner(role) in (SAC, HEDGE)]

    def check_idle(self) -> None:
        """Check keys that have no effect.

        Raises:
            ValueError: one is given for a role that does not learn by SAC.
        """
        for role, idle in zip(OTHER_SIDES, (TRUTHFUL, FIXED), strict=True):
            key = f"{role}_training_intensity"
            learner = self.learner(role)
            if key in self.model_fields_set and learner != SAC:
                default = type(self).model_fields[key].default
                if getattr(self, key) != default:
                    raise ValueError(
                        f"roles.{key} has no effect with {role}: {learner or idle}; leave it out"
                    )
