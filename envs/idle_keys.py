"""Keys of users and experts that have no effect beside others: refused where they are given."""

from collections.abc import Iterator

from envs.expert_section import ExpertConfig
from envs.groups import ROW, Groups
from envs.section import default_of
from envs.sections import OF_DRAWS, RequestConfig, RewardConfig

_WITHOUT_TABLE = "without experts.competence, a measured table with named rows"


def check_sections_matter(experts: ExpertConfig, reward: RewardConfig) -> None:
    """Check keys of one section that depend on another.

    Raises:
        ValueError: one is given, and has no effect.
    """
    scaled = experts.cost_report == "scaled"
    if not scaled and experts.report_factor != default_of(experts, "report_factor"):
        raise ValueError(
            f"experts.report_factor has no effect with experts.cost_report: {experts.cost_report}; "
            "leave it out, or use cost_report: scaled"
        )
    if experts.competence_row is not None and experts.competence is None:
        raise ValueError(f"experts.competence_row has no effect {_WITHOUT_TABLE}; leave it out")
    if experts.energy_cost is not None and reward.downlink_energy == "user":
        raise ValueError(
            "experts.energy_cost has no effect with reward.downlink_energy: user; leave it out, "
            "or use downlink_energy: edge_device"
        )


def check_experts_matter(
    experts: ExpertConfig, groups: Groups | None, has_batteries: bool, limits_time: bool
) -> None:
    """Check keys of experts that depend on what a world has.

    Args:
        experts: the section of all experts.
        groups: groups of experts.
        has_batteries: any expert has one.
        limits_time: it is known when pairs leave coverage.

    Raises:
        ValueError: one is given, and has no effect.
    """
    if experts.handover == "lost" and not limits_time:
        raise ValueError(
            "experts.handover: lost has no effect where no end of coverage is known: it is of "
            "experts on a known way whose path loss has a least elevation (docs/geometry.md)"
        )
    for key in ("recharge_w", "joules_per_word"):
        changed = getattr(experts, key) != default_of(experts, key)
        given = [f"experts.{key}"] if changed and not has_batteries else []
        given += [
            f"expert_groups.{name}.{key}"
            for name, own in (groups or {}).items()
            if key in own and own.get("battery_j", experts.battery_j) is None
        ]
        if given:
            raise ValueError(f"{given[0]} has no effect without battery_j")


def check_groups_matter(
    users: Groups | None,
    experts: Groups | None,
    requests: RequestConfig,
    of_all: ExpertConfig,
    reward: RewardConfig,
) -> None:
    """Check keys of groups.

    Args:
        users: groups of users.
        experts: groups of experts.
        requests: the section of all users.
        of_all: the section of all experts.
        reward: the section of all users.

    Raises:
        ValueError: one is given, and has no effect.
    """
    for side, groups, idle in (
        ("user_groups", users, dict(_of_users(requests))),
        ("expert_groups", experts, dict(_of_experts(of_all, reward))),
    ):
        for name, given in (groups or {}).items():
            for key in given:
                if key in idle:
                    raise ValueError(f"{side}.{name}.{key} has no effect {idle[key]}")


def _of_users(requests: RequestConfig) -> Iterator[tuple[str, str]]:
    """Yield keys without effect, and beside what."""
    if requests.trace is not None:
        yield from ((key, "beside requests.trace") for key in OF_DRAWS)
    if requests.num_transferred is not None:
        yield "local_compute", f"with requests.num_transferred: {requests.num_transferred}"


def _of_experts(experts: ExpertConfig, reward: RewardConfig) -> Iterator[tuple[str, str]]:
    if experts.competence is not None:
        for key in ("own_competence", "other_competence"):
            yield key, "beside experts.competence, a measured table"
    else:
        yield ROW, _WITHOUT_TABLE
    if experts.cost_report != "scaled":
        yield "report_factor", f"with experts.cost_report: {experts.cost_report}"
    if reward.downlink_energy == "user":
        yield "energy_cost", "with reward.downlink_energy: user"
