"""Any valid world and mechanism, drawn field by field from the configuration's dataclasses."""

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from pydantic import TypeAdapter, ValidationError

import envs.codec
import envs.duty
import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, WorldConfig
from envs.channel import Arrays, ChannelProcess, register
from envs.channel.config import OF_PROCESS
from envs.channel.registry import keys_read
from envs.competence_table import MEASURED
from envs.config import SIDES
from envs.sections import OF_DRAWS
from tests.properties.traces import write_channel, write_requests

Plain = dict[str, Any]
MOST = {  # sizes at which 200 slots still take an instant
    "num_users": 6,
    "num_experts": 12,
    "episode_slots": 80,
    "num_subtasks": 10,
    "num_topics": 8,
    "num_transferred": 10,
    "max_concurrent": 6,
    "interval": 20,
    "capacity": 6,
    "candidates": 12,
    "types": 12,
}
# Limits that numbers have; a field's own are the first of each that it takes.
LOWEST = (-1e6, -60.0, 0.0, 1e-9, 1e-3)
HIGHEST = (1e12, 1e9, 1e6, 60.0, 1.0, 0.2 - 1e-9)
MEASURED_TOPICS = 6
ROWS = ("near_kind", "far_kind")  # of the tables with named rows
GRIDS = {  # of what roles may choose
    "report_factors": [[1.0], [1e-3, 1.0, 100.0]],
    "value_factors": [[1.0], [0.01, 0.5, 1.0]],
    "margins": [[0.0], [0.0, 0.3, 50.0]],
}


GEOMETRIES: list[Plain] = [
    {"area_m": [300, 200]},
    {
        "experts": {"mobility": {"model": "gauss_markov", "mean_speed_m_s": 3}},
        "fading": "rician",
        "rician_k_db": 5,
    },
    {
        "users": {
            "placement": {"model": "hotspots", "count": 2},
            "mobility": {"model": "static"},
        },
        "path_loss": {"model": "log_distance"},
        "shadowing": {"sigma_db": 6},
        "fading": "none",
    },
    {
        "path_loss": {"model": "air_to_ground"},
        "experts": {"height_m": 100},
        "propagation_delay": True,
    },
]
# Of groups, for users and experts alike; limits of path losses allow no other heights.
PLACES: list[Plain] = [
    {"placement": {"model": "hotspots", "count": 2}, "mobility": {"model": "static"}},
    {"placement": {"model": "grid"}, "mobility": {"model": "gauss_markov", "mean_speed_m_s": 4}},
    {"placement": {"model": "uniform"}, "mobility": {"model": "random_waypoint"}},
    {"antenna_gain_db": 6.0},
]
EXTREME = "extreme"  # a process from outside of the package, which clips nothing


@register(EXTREME)
@dataclass(frozen=True)
class Extreme(ChannelProcess):
    """An SNR from end to end of a range."""

    range_db: tuple[float, float] = (-60.0, 60.0)

    def mean_db(self, state: Arrays) -> np.ndarray:
        return state["mean_db"]

    def large_scale(self, shape: Any, users: Any, experts: Any, rng: Any) -> Arrays:
        low, high = (bound + 0.0 for bound in self.range_db)  # NumPy draws no [0.0, -0.0]
        return {"mean_db": rng.uniform(low, high, shape).astype(np.float32)}

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": rng.choice(np.float32(self.range_db), shape)}


@envs.codec.register(EXTREME)
@dataclass(frozen=True)
class ExtremeCodec(envs.codec.Codec):
    """Many bits a word or few, of which what survives depends on all that codecs are given."""

    times: float = 1.0

    def bits_per_word(self, channel: ChannelConfig, snr_db: Any, shared: Any) -> Any:
        return channel.bits_per_word * self.times * np.where(snr_db < 0, 2 - shared, 1)

    def survival(self, channel: ChannelConfig, snr_db: Any, shared: Any) -> Any:
        return shared * np.where(snr_db < 5, 0.0, 1.0)


CODECS: list[Plain] = [
    {"model": "words"},
    {"model": EXTREME, "times": 0.01},
    {"model": EXTREME, "times": 100.0},
]


@envs.duty.register("lookout")
@dataclass(frozen=True)
class Lookout(envs.duty.Duty):
    """A duty of t / (t + unit) in t seconds."""

    unit_s: float = 1.0

    def achieved(self, time_s: np.ndarray) -> np.ndarray:
        return time_s / (time_s + self.unit_s)

    def time_s(self, achieved: np.ndarray) -> np.ndarray:
        return self.unit_s * achieved / (1 - achieved)


class Case(NamedTuple):
    """A world to play: sections `env` and `mechanism` of an experiment, its copies, a seed."""

    env: Plain
    mechanism: Plain
    num_worlds: int
    seed: int


class Leaf(NamedTuple):
    """A field that holds a value rather than a section."""

    key: str  # dotted, below `env`
    schema: Plain  # JSON Schema of the value
    default: Any
    is_taken: Callable[[Any], bool]


def leaves(section: Any = WorldConfig, prefix: str = "") -> Iterator[Leaf]:
    """Yield every field of a dataclass and of those in it."""
    adapter = TypeAdapter(section)
    schemas = adapter.json_schema()["properties"]
    for name, info in section.__pydantic_fields__.items():
        if is_dataclass(info.annotation):
            yield from leaves(info.annotation, f"{prefix}{name}.")
            continue

        def is_taken(value: Any, name: str = name) -> bool:
            try:
                adapter.validate_json(json.dumps({name: value}), strict=True)
            except ValidationError as error:
                # An error of several fields together has no place.
                return all(mistake["loc"] == () for mistake in error.errors())
            return True

        yield Leaf(
            f"{prefix}{name}", schemas[name], info.get_default(call_default_factory=True), is_taken
        )


@pytest.fixture(scope="session")
def fields() -> list[Leaf]:
    """Return every field below `env`."""
    return list(leaves())


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], SearchStrategy[Case]]:
    """Any valid world, small, under the mechanism of a name with any parameters."""
    tables = tmp_path_factory.mktemp("competence")
    for topics in range(1, MOST["num_topics"] + 1):
        table = [[1.0 if e == m else 0.5 - 0.2 * e for m in range(topics)] for e in range(topics)]
        (tables / f"{topics}.json").write_text(json.dumps({"competence": table}))
        named = {"rows": list(ROWS), "competence": [[0.9] * topics, [-0.3] * topics]}
        (tables / f"{topics}_rows.json").write_text(json.dumps(named))
    by_key = {
        wild: {leaf.key: _of_field(leaf, wild) for leaf in leaves()} for wild in (False, True)
    }
    return lambda name: _cases(name, by_key, tables)


def _cases(
    name: str, by_key: dict[bool, dict[str, SearchStrategy[Any]]], tables: Path
) -> SearchStrategy[Case]:
    parameters = _mechanism(name)

    @st.composite
    def case(draw: DrawFn) -> Case:
        mechanism = draw(parameters)
        env: Plain = {}
        for key, values in by_key[draw(st.booleans())].items():
            *parents, last = key.split(".")
            section = env
            for parent in parents:
                section = section.setdefault(parent, {})
            section[last] = draw(values)
        _make_different(draw, env, by_key[False])
        _make_consistent(draw, env, mechanisms.make(**mechanism).allocates, tables)
        _make_groups_matter(env)
        _make_places_differ(draw, env)
        return Case(env, mechanism, draw(st.integers(1, 5)), draw(st.integers(0, 2**32)))

    return case()


def _of_field(leaf: Leaf, wild: bool) -> SearchStrategy[Any]:
    name = leaf.key.rpartition(".")[2]
    if name == "process":
        return st.sampled_from(["iid", "gauss_markov", "geometric", "trace", EXTREME])
    if name == "duty":
        return st.none() | st.just({"task": {"model": "lookout"}, "required": 0.3})
    if name == "parameters":
        return st.just({})  # see `_make_consistent`
    if name == "codec":
        return st.sampled_from(CODECS)
    if name in ("report_mix", "trace", "geometry"):
        return st.none()  # see `_make_consistent`
    if name in ("user_groups", "expert_groups", "topics"):
        return st.none()  # see `_make_different`
    if name == "competence_row":
        return st.sampled_from([None, *ROWS])
    if name in GRIDS:
        return st.sampled_from([list(leaf.default), *GRIDS[name]])
    if name in ("num_users", "num_experts"):
        return st.integers(1, MOST[name])  # null is for groups, see `_make_different`
    alternatives = _alternatives(leaf.schema)
    values = st.one_of(
        _values(schema, leaf.default, name, leaf.is_taken, wild) for schema in alternatives
    )
    # `ber` as often as not by default: on one of its values another key depends
    return values if name in MOST or name == "ber" else st.just(leaf.default) | values


def _mechanism(name: str) -> SearchStrategy[Plain]:
    """Draw a mechanism with any of its parameters."""
    kind = type(mechanisms.make(name))
    hints = get_type_hints(kind)

    def of_parameter(key: str, default: Any) -> SearchStrategy[Any]:
        def is_taken(value: Any) -> bool:
            try:
                mechanisms.make(name, **{key: value})
            except ValueError:
                return False
            return True

        schemas = _alternatives(TypeAdapter(hints[key]).json_schema())
        return st.one_of(_values(schema, default, key, is_taken, wild=True) for schema in schemas)

    parameters = inspect.signature(kind).parameters.items()
    return st.fixed_dictionaries(
        {"name": st.just(name)},
        # Programs in CVXPY are for numbers of ordinary scale, which these are not.
        optional={key: of_parameter(key, of.default) for key, of in parameters if key != "solver"},
    )


def _alternatives(schema: Plain) -> list[Plain]:
    """Return the schemas of what a field takes, but for lists, see `_make_different`."""
    if "anyOf" in schema or "oneOf" in schema:
        inner = (_alternatives(one) for one in schema.get("anyOf", schema.get("oneOf")))
        return [one for several in inner for one in several]
    return [] if "$ref" in schema else [schema]


def _values(
    schema: Plain, default: Any, name: str, is_taken: Callable[[Any], bool], wild: bool
) -> SearchStrategy[Any]:
    """Draw a value that a field takes, as YAML writes it; `wild` numbers go up to their limits."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(next(filter(is_taken, (0, 1))), MOST.get(name, 2**40))
        case "number":
            return _numbers(default, is_taken, wild)
        case "array":
            middle = sum(default) / 2 if isinstance(default, tuple) else default
            number: SearchStrategy[float] = (
                st.integers(1, MOST[name])
                if name in MOST
                else (_numbers(middle, lambda number: is_taken([number, number]), wild))
            )
            return st.tuples(number, number).map(sorted)
        case "string":
            return st.just(MEASURED)
    raise NotImplementedError(f"{name}: no values of {schema}")


def _numbers(default: Any, is_taken: Callable[[float], bool], wild: bool) -> SearchStrategy[float]:
    low, high = (next(filter(is_taken, limits)) for limits in (LOWEST, HIGHEST))
    size = abs(sum(default) / 2 if isinstance(default, tuple) else default or 1.0)
    near = st.floats(max(low, -10 * size), min(high, 10 * size))
    numbers = near | st.floats(low, high) if wild else near
    return numbers.map(lambda number: number if is_taken(number) else max(low, 0.0))


def _make_consistent(draw: DrawFn, env: Plain, allocates: bool, tables: Path) -> None:
    """Put right what each of two fields allows and both together do not."""
    if env["experts"]["cost_report"] == "strategic":
        shares = draw(st.sampled_from([(1.0,), (0.5, 0.5), (0.0, 1.0)]))
        factors = draw(st.lists(st.floats(0.1, 10.0), min_size=len(shares), max_size=len(shares)))
        env["experts"]["report_mix"] = [list(pair) for pair in zip(factors, shares, strict=True)]
    requests, channel, experts = env["requests"], env["channel"], env["experts"]
    if requests["num_transferred"] is not None:
        requests["num_transferred"] = min(requests["num_transferred"], requests["num_subtasks"])
        requests["private_probability"] = 0.0
    channel["parameters"] = draw(st.sampled_from([None, {}]))
    if channel["process"] == EXTREME:
        channel["parameters"] = {"range_db": channel["snr_db"]}
    read = keys_read(channel["process"], OF_PROCESS)
    for key in OF_PROCESS:
        if key not in read:
            channel[key] = getattr(ChannelConfig(), key)
    if channel["process"] == "trace":
        channel["trace"] = write_channel(tables)
    if channel["process"] == "gauss_markov" and channel["speed_m_s"] is None:
        channel["correlation"] = (
            draw(st.sampled_from([0.0, 0.5, 1.0]))
            if channel["correlation"] is None
            else channel["correlation"]
        )
    elif channel["process"] == "gauss_markov":
        channel["correlation"] = None
    if channel["process"] == "geometric":
        channel["geometry"] = draw(st.sampled_from(GEOMETRIES))
        # The SNR of places follows from these, and has limits of its own.
        channel["bandwidth_hz"] = draw(st.sampled_from([1e3, 1e6]))
        channel["tx_power_w"] = draw(st.sampled_from([0.01, 1.0]))
        env["slot_s"] = draw(st.sampled_from([1.0, 6.0, 60.0]))
    if channel["access"] == "total_power":
        channel["split"] = "equal"
        channel["ber"] = draw(st.sampled_from(["none", "qam"]))
    if channel["ber"] != "qam":
        channel["target_ber"] = ChannelConfig().target_ber
    if channel["correlation"] is not None:
        channel["decorrelation_distance_m"] = ChannelConfig().decorrelation_distance_m
    if channel["ber"] == "snr":
        channel["modulation"] = draw(st.sampled_from(["qpsk", "qam16", "qam64"]))
        channel["max_spectral_efficiency"] = draw(st.sampled_from([None, 6.0]))
        if channel["process"] == "geometric":
            channel["geometry"] = channel["geometry"] | {"fading": "none", "rician_k_db": None}
    else:
        channel["modulation"] = ChannelConfig().modulation
    if experts["pool_seed"] is not None:
        experts["resample"] = "never"
    if experts["competence"] is None:
        experts["competence_row"] = None
    elif experts["competence_row"] is not None:
        experts["competence"] = str(tables / f"{requests['num_topics']}_rows.json")
    elif draw(st.booleans()):
        requests["num_topics"] = MEASURED_TOPICS
    else:
        experts["competence"] = str(tables / f"{requests['num_topics']}.json")
    if draw(st.integers(0, 4)) == 0:  # after all that its file depends on
        for key in OF_DRAWS:
            requests[key] = getattr(RequestConfig(), key)
        requests["trace"] = write_requests(tables, requests, draw(st.integers(0, 9)))
    if env["observation"]["candidates"] is not None:
        env["observation"]["candidates"] = min(env["observation"]["candidates"], env["num_experts"])
    if allocates:
        env["market"]["interval"] = draw(st.sampled_from([None, 1]))


def _make_different(draw: DrawFn, env: Plain, by_key: dict[str, SearchStrategy[Any]]) -> None:
    """Give some agents numbers of their own, by groups and by lists."""
    topics = st.lists(st.integers(0, MOST["num_topics"]), min_size=1, max_size=3)
    env["experts"]["topics"] = draw(st.none() | topics)
    for side in SIDES:
        sections = {key: f"{section}.{key}".lstrip(".") for key, section in side.keys.items()}
        if draw(st.booleans()):
            groups: Plain = {}
            for name in ("near", "far")[: draw(st.integers(1, 2))]:
                keys = draw(st.lists(st.sampled_from(sorted(sections)), max_size=4, unique=True))
                own = {key: draw(by_key[sections[key]]) for key in keys}
                groups[name] = {"count": draw(st.integers(1, 2))} | own
                if side.agents == "experts" and draw(st.booleans()):
                    groups[name]["topics"] = draw(topics)
                if side.agents == "experts" and draw(st.booleans()):
                    groups[name]["codec"] = draw(by_key["experts.codec"])
                if side.agents == "experts" and draw(st.booleans()):
                    groups[name]["competence_row"] = draw(st.sampled_from(ROWS))
            env[side.groups] = groups
            once = sum(group["count"] for group in groups.values())
            env[side.number] = once * draw(st.integers(1, 3 if once < 3 else 1))
        key = draw(st.sampled_from(sorted(sections)))
        if draw(st.booleans()) and "competence" not in key:
            *parents, last = sections[key].split(".")
            section = env[parents[0]] if parents else env
            number = by_key[sections[key]].filter(lambda value: not isinstance(value, list | tuple))
            if key == "energy_cost":  # null is for all
                number = number.filter(lambda value: value is not None)
            section[last] = {"each": [draw(number) for _ in range(env[side.number])]}
    if env["reward"]["downlink_energy"] == "user":
        env["experts"]["energy_cost"] = None
    elif env["experts"]["energy_cost"] is None:  # which users that differ in theirs need
        env["experts"]["energy_cost"] = draw(by_key["reward.credits_per_joule"])
        if isinstance(env["experts"]["energy_cost"], dict):
            env["experts"]["energy_cost"] = 1.0


def _make_places_differ(draw: DrawFn, env: Plain) -> None:
    """Give some groups places of their own, where there are places."""
    if env["channel"]["process"] != "geometric":
        return
    for side in SIDES:
        for group in (env[side.groups] or {}).values():
            if draw(st.booleans()):
                group |= draw(st.sampled_from(PLACES))
            if side.agents == "experts" and draw(st.booleans()):
                group["path_loss"] = {"model": "free_space"}


def _has_battery(env: Plain) -> bool:
    """Return whether any expert has one."""
    of_all = env["experts"]["battery_j"]
    groups = (env["expert_groups"] or {"all": {}}).values()
    given = [group.get("battery_j", of_all) for group in groups]
    each = [one["each"] if isinstance(one, dict) else [one] for one in given]
    return any(number is not None for numbers in each for number in numbers)


def _make_groups_matter(env: Plain) -> None:
    """Leave out what has no effect beside other keys, and topics that there are not."""
    if env["experts"]["cost_report"] != "scaled":
        env["experts"]["report_factor"] = ExpertConfig().report_factor
    env["experts"]["handover"] = "continue"  # no way is known of any expert here
    for key in ("recharge_w", "joules_per_word"):
        if not _has_battery(env):
            env["experts"][key] = getattr(ExpertConfig(), key)
        for group in (env["expert_groups"] or {}).values():
            if group.get("battery_j", env["experts"]["battery_j"]) is None:
                group.pop(key, None)
    if env["requests"]["num_transferred"] is not None:
        env["requests"]["local_compute"] = RequestConfig().local_compute
    requests, num_topics = env["requests"], env["requests"]["num_topics"]
    for group in (env["user_groups"] or {}).values():
        for key in OF_DRAWS:
            if requests["trace"] is not None:
                group.pop(key, None)
        if requests["num_transferred"] is not None:
            group.pop("private_probability", None)
            group.pop("local_compute", None)
    for group in (env["expert_groups"] or {}).values():
        if env["experts"]["competence"] is not None:
            group.pop("own_competence", None)
            group.pop("other_competence", None)
        if env["experts"]["competence_row"] is None:  # else the table has named rows
            group.pop("competence_row", None)
        if env["reward"]["downlink_energy"] == "user" or group.get("energy_cost", 0) is None:
            group.pop("energy_cost", None)
        if env["experts"]["cost_report"] != "scaled":
            group.pop("report_factor", None)
    words, codecs = {"model": "words"}, [env["experts"]["codec"]]
    for group in (env["expert_groups"] or {}).values():
        codecs.append(group.get("codec", codecs[0]))
        if codecs[-1] == words:
            group.pop("shared_knowledge", None)
    if all(codec == words for codec in codecs):
        env["experts"]["shared_knowledge"] = ExpertConfig().shared_knowledge
    if env["duty"] is not None:  # for which experts have to have the time
        env["duty"] = env["duty"] | {"task": {"model": "lookout", "unit_s": env["slot_s"]}}
        env["experts"]["serving_share"] = 1.0
        for group in (env["expert_groups"] or {}).values():
            group.pop("serving_share", None)
    for holder in (env["experts"], *(env["expert_groups"] or {}).values()):
        if holder.get("topics"):
            holder["topics"] = [topic % num_topics for topic in holder["topics"]]
            holder["topics"] = holder["topics"][: holder.get("count")]
