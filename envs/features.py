"""The table of an observation's columns: what each one means, how it is read, and its bounds.

No column depends on what others choose in the same slot.
"""

from envs import readings
from envs.config import WorldConfig
from envs.differences import features_of_experts, features_of_users
from envs.feature import Feature
from envs.prospects import rest

GAIN_ALONE, GAIN_BESIDE = "gain_alone", "gain_beside"
REST, REST_BESIDE = "rest", "rest_beside"
DRAWN = "_drawn"  # ends the names of columns that count on strangers (`observation.expected_load`)
LOAD_UNIT, LARGEST_LOAD = 4.0, 25.0

USER_FEATURES = (
    Feature(
        "pending",
        "1 with a subtask to transfer, else 0",
        lambda sight: sight.conditions.subtasks.pending,
    ),
    Feature(
        "weight",
        "gating weight times number of subtasks, K g",
        lambda sight: (
            sight.conditions.subtasks.weight * sight.conditions.config.requests.num_subtasks
        ),
        high=lambda config: float(config.requests.num_subtasks),
    ),
    Feature(
        "words",
        "words of the answer / largest configured",
        lambda sight: sight.conditions.subtasks.words / sight.conditions.config.requests.words[1],
    ),
    Feature(
        "compute_need",
        "compute need / largest configured",
        lambda sight: (
            sight.conditions.subtasks.compute / sight.conditions.config.requests.compute_need[1]
        ),
    ),
)
EXPERT_FEATURES = (
    Feature(
        "available",
        "1 where this expert may be chosen in this slot (the action mask), else 0",
        lambda sight: sight.mask[..., :-1],
    ),
    Feature(
        "competence",
        "competence for this topic (known) or whether the type matches, times its effort for me",
        readings.competence,
        low=lambda config: -readings.COMPETENCE_BOUND,
        cut=readings.COMPETENCE_BOUND,
    ),
    Feature(
        "energy",
        "cost of the energy that I pay for alone on the band, credits; under a process or "
        "codec of one's own, which does not bound it, at most that of sending for 10 deadlines",
        readings.energy_cost,
        scale=readings.energy_unit,
        high=readings.most_energy,
    ),
    Feature(
        "delay",
        "delay alone on the band (up, compute, down; no backlog) / deadline, at most 10",
        readings.delay_alone,
        cut=readings.LARGEST,
    ),
    Feature(
        "load",
        "users other than me that it served in the last slot / 4, at most 25",
        lambda sight: sight.conditions.occupancy.load,
        scale=lambda config: 1 / LOAD_UNIT,
        cut=LARGEST_LOAD,
    ),
    Feature(
        "mine",
        "1 where it served me in the last slot, else 0",
        lambda sight: 0.0,  # except for one expert a user, see `_write_own_expert`
    ),
    Feature(
        "airtime_backlog",
        "seconds of airtime it has left over / slot, at most 10",
        lambda sight: sight.conditions.occupancy.airtime_backlog_s,
        scale=lambda config: 1 / config.slot_s,
        cut=readings.LARGEST,
    ),
    Feature(
        "unit_price",
        "what I pay for a delivered point (of the expert assigned to me, by my charge) / its "
        "value, at most 10",
        lambda sight: sight.offer.user_price,
        scale=lambda config: 1 / readings.value_of_point(config),
        cut=readings.LARGEST,
    ),
    Feature(
        "recent_load",
        "users that it served, exponential average over past slots of weight 0.3 / 4, at most 25",
        lambda sight: sight.conditions.occupancy.recent_load,
        scale=lambda config: 1 / LOAD_UNIT,
        cut=LARGEST_LOAD,
    ),
    Feature(
        "attraction",
        "requests drawn if all users chose by competence alone (`experts.attraction`) / mean, "
        "at most 10",
        lambda sight: sight.conditions.attraction,
        scale=lambda config: float(config.num_experts),
        cut=readings.LARGEST,
    ),
    Feature(
        GAIN_ALONE,
        "gain that I may expect of it were I alone there, credits, of at most 10 points",
        readings.gain_alone,
        low=lambda config: -readings.most_gain(config),
        high=readings.most_gain,
    ),
    Feature(
        GAIN_BESIDE,
        "the same beside as many others as I expect (`observation.expected_load`), with the mean "
        "work",
        readings.gain_beside,
        low=lambda config: -readings.most_gain(config),
        high=readings.most_gain,
    ),
)
ALLOCATION_FEATURES = (
    Feature(
        "assigned",
        "1 where the mechanism assigns me this expert, else 0",
        lambda sight: (
            sight.offer.allocation.expert[..., None] == sight.conditions.candidates.expert
        ),
    ),
)
COMPUTE_FEATURES = (
    Feature(
        "compute_backlog",
        "seconds of computing it has left over / slot, at most 10",
        lambda sight: sight.conditions.occupancy.compute_backlog_s,
        scale=lambda config: 1 / config.slot_s,
        cut=readings.LARGEST,
    ),
)
BATTERY_FEATURES = (
    Feature(
        "battery_left",
        "share left of its battery, 1 without one",
        lambda sight: sight.conditions.batteries.share(sight.conditions.pool),
    ),
)
COVERAGE_FEATURES = (
    Feature(
        "covered_for",
        "time until we leave coverage / slot, at most 10 and where no end is known; 0 without "
        "coverage",
        readings.covered_for,
        cut=readings.LARGEST,
    ),
)
BUDGET_FEATURES = (
    Feature(
        "energy_left",
        "share left of my energy for the episode, 0 without such a budget",
        lambda sight: readings.left(
            sight.conditions.budgets.energy_j, sight.conditions.users.energy_budget_j
        ),
    ),
    Feature(
        "credits_left",
        "share left of my credits for the episode, 0 without such a budget",
        lambda sight: readings.left(
            sight.conditions.budgets.credits, sight.conditions.users.credit_budget
        ),
    ),
    Feature(
        "episode_left",
        "share left of the episode, this slot included",
        lambda sight: 1 - sight.conditions.index / sight.conditions.config.episode_slots,
    ),
    Feature(
        REST,
        "geometric mean of the share of the episode after this slot and of the share left of my "
        "budget (the lesser of two)",
        lambda sight: rest(sight.conditions)[..., 0],
    ),
)
REST_FEATURES = (
    Feature(
        REST_BESIDE,
        "the same once I have spent what may be expected of it beside as many others as in "
        "`gain_beside`",
        readings.rest_beside,
    ),
)
BESIDE = frozenset({GAIN_BESIDE, REST_BESIDE})
# Columns that each user sees for itself, and those of an expert that all users see alike.
OF_PAIRS = frozenset(
    {
        "competence",
        "energy",
        "delay",
        GAIN_ALONE,
        *BESIDE,
        *(name + DRAWN for name in BESIDE),
        "covered_for",
        "assigned",
    }
)


def user_features(config: WorldConfig) -> tuple[Feature, ...]:
    """Return the columns of a user.

    There are four more where users have a budget over the episode, and one for each quantity in
    which users may differ.
    """
    features: tuple[Feature, ...] = USER_FEATURES
    if config.limits_users:
        features += BUDGET_FEATURES
    return features + features_of_users(config)


def expert_features(config: WorldConfig, allocates: bool) -> tuple[Feature, ...]:
    """Return the columns of an expert.

    Args:
        config: of the world: one column more each where experts take time to compute, where users
            have a budget over the episode, where experts have batteries and where ends of coverage
            are known, and one for each quantity in which experts may differ. What is expected
            beside others has another name where users count on strangers.
        allocates: whether the mechanism allocates: one column more.
    """
    features = EXPERT_FEATURES + features_of_experts(config)
    if config.computes:
        features += COMPUTE_FEATURES
    if config.limits_users:
        features += REST_FEATURES
    if config.has_batteries:
        features += BATTERY_FEATURES
    if config.limits_time:
        features += COVERAGE_FEATURES
    if allocates:
        features += ALLOCATION_FEATURES
    if config.observation.expected_load == "recent":
        return features
    return tuple(
        feature._replace(name=feature.name + DRAWN) if feature.name in BESIDE else feature
        for feature in features
    )
