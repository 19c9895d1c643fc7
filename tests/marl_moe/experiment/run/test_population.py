"""The population of a world as a table of what its agents differ in."""

from envs import ChannelConfig, Each, ExpertConfig, QualityConfig, WorldConfig
from marl_moe.experiment.run.population import population_table


def test_agents_that_are_all_alike_are_counted() -> None:
    assert population_table(WorldConfig(num_users=8)) == [
        "8 users, all alike",
        "30 experts, all alike",
    ]
    assert population_table(WorldConfig())[0] == "1 user"


def test_groups_have_a_row_each_and_what_they_differ_in_a_column() -> None:
    config = WorldConfig(
        num_users=12,
        user_groups={
            "walkers": {"count": 2, "local_compute": 2.0},
            "cars": {"count": 4, "deadline_s": (3.0, 6.0), "energy_budget_j": 5.0},
        },
        expert_groups={"shops": {"count": 3, "topics": [0, 4]}, "towers": {"count": 1}},
        experts=ExpertConfig(max_concurrent=Each((1, None, 2, 2))),
    )
    assert population_table(config) == [
        "12 users   count  local_compute  deadline_s  energy_budget_j",
        "  walkers  4      2              6           -",
        "  cars     8      6              3 to 6      5",
        "4 experts  count  topics  max_concurrent",
        "  shops    3      0, 4    each 1, -, 2, 2",
        "  towers   1      -       each 1, -, 2, 2",
    ]


def test_groups_show_the_row_of_a_measured_table_that_they_name() -> None:
    config = WorldConfig(
        expert_groups={
            "weak": {"count": 2, "competence_row": "low", "topics": [0, 1, 2]},
            "others": {"count": 1},
        },
        experts=ExpertConfig(competence="kinds.json", competence_row="high"),
    )
    assert population_table(config)[1:] == [
        "3 experts  count  topics   competence_row",
        "  weak     2      0, 1, 2  low",
        "  others   1      -        high",
    ]


def test_a_range_without_groups_is_a_row_of_all() -> None:
    config = WorldConfig(num_users=3, quality=QualityConfig(deadline_s=(2.0, 9.0)))
    assert population_table(config)[:2] == [
        "3 users  count  deadline_s",
        "  all    3      2 to 9",
    ]


def test_places_of_groups_are_shown_beside_those_of_the_section() -> None:
    walk = {"model": "random_waypoint", "speed_m_s": [0.5, 2.0]}
    config = WorldConfig(
        user_groups={"walkers": {"count": 2, "mobility": walk}, "others": {"count": 1}},
        expert_groups={
            "towers": {"count": 3},
            "kiosks": {"count": 4, "placement": {"model": "hotspots", "count": 2}, "height_m": 10},
        },
        channel=ChannelConfig(process="geometric", bandwidth_hz=1e6, geometry={}),
    )
    assert population_table(config) == [
        "3 users    count  mobility",
        "  walkers  2      random_waypoint (speed_m_s: [0.5, 2.0])",
        "  others   1      random_waypoint",
        "7 experts  count  placement            height_m",
        "  towers   3      grid                 10",
        "  kiosks   4      hotspots (count: 2)  10",
    ]
