"""Headings of metrics in tables, and which of two values is the better one."""

from typing import NamedTuple


class Heading(NamedTuple):
    """The heading of a column.

    Attributes:
        words: what stands in it.
        unit: its unit; "" where it has none.
    """

    words: str
    unit: str = ""

    @property
    def text(self) -> str:
        """The heading in a line: "gain a slot and user, credits"."""
        return f"{self.words}, {self.unit}" if self.unit else self.words


HEADINGS = {  # of columns of "evaluation"
    "gain": Heading("gain a slot and user", "credits"),
    "utility": Heading("utility a request", "credits"),
    "share_of_equilibrium": Heading("of equilibrium"),
    "share_of_optimum": Heading("of optimum"),
    "welfare": Heading("welfare a slot and user", "credits"),
    "worst_gain": Heading("worst user's gain a slot", "credits"),
    "jain": Heading("Jain's index of gains"),
    "qos": Heading("quality a slot and user", "points"),
    "delay_s": Heading("delay of a subtask", "s"),
    "energy_j": Heading("energy a slot and user", "J"),
    "charge": Heading("charge a slot and user", "credits"),
    "unit_price": Heading("unit price", "credits a point"),
    "edge_utility": Heading("edge devices a slot", "credits"),
    "platform_balance": Heading("platform a slot", "credits"),
    "transferred": Heading("transferred", "share of slots"),
    "rejected": Heading("rejected", "share of slots"),
    "declined": Heading("declined", "share of slots"),
    "walked_away": Heading("walked away", "share of slots"),
    "refused": Heading("refused", "share of slots"),
    "converged": Heading("converged", "share of slots"),
    "regret": Heading("regret", "credits"),
    "report_factor": Heading("costs reported", "factor"),
    "value_factor": Heading("worth of a point", "factor"),
    "margin": Heading("margin", "share of charge"),
    "left_to_gain_users": Heading("left to gain, a user", "credits a slot"),
    "left_to_gain_edge_devices": Heading("left to gain, a device", "credits a slot"),
    "left_to_gain_platform": Heading("left to gain, the platform", "credits a slot and user"),
}
# Of the others neither more nor less is better by itself: users' charge is edge devices' payment.
MORE_IS_BETTER = frozenset(
    {
        *("gain", "utility", "share_of_equilibrium", "share_of_optimum", "welfare"),
        *("worst_gain", "jain", "qos", "edge_utility", "platform_balance"),
    }
)
LESS_IS_BETTER = frozenset({"delay_s", "energy_j", "rejected", "declined", "refused"})
