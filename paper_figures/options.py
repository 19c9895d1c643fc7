"""What any figure takes beside its tables: what it shows, under which names, and its layout."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    model_serializer,
)
from pydantic.dataclasses import dataclass

NAME = r"^\w[\w .-]*$"  # of a file on every system
WIDTHS = {"column": 3.5, "double": 7.16}  # inches, of IEEE's pages
LARGEST = 1e100  # limit of an axis: ticks beyond are no numbers
Interval = Literal["t", "bootstrap", "sd"]
Scale = Literal["linear", "log"]


def _ordered(limits: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = limits
    if low is None and high is None:
        raise ValueError("should have a number at one end at least")
    if low is not None and high is not None and low >= high:
        raise ValueError(f"the lower limit {low:g} is not below the upper limit {high:g}")
    most = max(abs(end) for end in limits if end is not None)
    if most > LARGEST:
        raise ValueError(f"should lie within {-LARGEST:g} and {LARGEST:g}")
    return limits


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ValueError(f"has {twice[0]!r} twice")
    return names


def folded(name: str) -> str:
    """Return a name as a reader takes it: whatever its case, and blanks for underscores."""
    return " ".join(name.casefold().replace("_", " ").split())


def _apart(labels: dict[str, str]) -> dict[str, str]:
    blank = [name for name, label in labels.items() if not label.strip()]
    if blank:
        raise ValueError(f"the label of {blank[0]!r} is blank")
    found = [folded(label) for label in labels.values()]
    twice = [label for label in labels.values() if found.count(folded(label)) > 1]
    if twice:
        raise ValueError(f"has {twice[0]!r} twice, as readers take it")
    return labels


# Tags begin with `entry[`, which messages leave out of the path of a key.
_ONE, _MANY = "entry[one]", "entry[many]"


def _by_key(value: Any) -> str:
    return _MANY if isinstance(value, Mapping) else _ONE


def _listed(value: Any) -> str:
    return _MANY if isinstance(value, list | tuple) else _ONE


_Panel = Annotated[str, Field(pattern=r"^[a-z]$")]
_Limits = Annotated[tuple[float | None, float | None], AfterValidator(_ordered)]
_Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_distinct)]
LimitsOfPanels = Annotated[
    Annotated[_Limits, Tag(_ONE)]
    | Annotated[dict[_Panel, _Limits], Field(min_length=1), Tag(_MANY)],
    Discriminator(_by_key),
]
ScaleOfPanels = Annotated[
    Annotated[Scale, Tag(_ONE)] | Annotated[dict[_Panel, Scale], Field(min_length=1), Tag(_MANY)],
    Discriminator(_by_key),
]
MetricOrMetrics = Annotated[
    Annotated[str, Tag(_ONE)] | Annotated[_Names, Tag(_MANY)], Discriminator(_listed)
]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class FigureOptions:
    """Options of a figure; what is left out is as the figure has it.

    Panels are a, b, c, ... in reading order, whether or not their letters are shown.

    Attributes:
        as_: name of its files, in YAML `as`; the figure's own if None.
        metric: a column of the table, or several where a figure has a row of panels for each.
        policies: those that are shown, in this order.
        labels: of policies, by their names.
        xlim: limits of the x axes, `[low, high]` of which one may be null; or by panel.
        ylim: likewise of the y axes.
        xscale: "linear" or "log"; or by panel.
        yscale: likewise.
        width: "column" (3.5 in) or "double" (7.16 in).
        legend: where it stands: beside the panels, "inside" the first, or "none".
        letters: whether panels have letters, "(a)".
        interval: "t" (95 % Student t), "bootstrap" (95 % percentiles), both over the means of
            seeds, or "sd", one standard deviation of them to each side.
    """

    as_: Annotated[str, Field(pattern=NAME, max_length=100)] | None = Field(
        default=None, alias="as", description="Name of the files; null: that of the figure"
    )
    metric: MetricOrMetrics | None = Field(
        default=None, description="Column that is shown; a list where a figure has panels for each"
    )
    policies: _Names | None = Field(
        default=None, description="Policies that are shown, in this order"
    )
    labels: Annotated[
        dict[str, Annotated[str, Field(min_length=1, max_length=40)]], AfterValidator(_apart)
    ] = Field(default={}, description="Labels of policies, by their names")
    xlim: LimitsOfPanels | None = Field(
        default=None, description="Limits of the x axes, [low, high]; or by panel, {a: [0, 1]}"
    )
    ylim: LimitsOfPanels | None = Field(
        default=None, description="Limits of the y axes, [low, high]; or by panel, {a: [0, 1]}"
    )
    xscale: ScaleOfPanels | None = Field(
        default=None, description="linear or log; or by panel, {a: log}"
    )
    yscale: ScaleOfPanels | None = Field(
        default=None, description="linear or log; or by panel, {a: log}"
    )
    width: Literal["column", "double"] | None = Field(
        default=None, description="column (3.5 in) or double (7.16 in)"
    )
    legend: Literal["top", "bottom", "left", "right", "inside", "none"] | None = Field(
        default=None, description="Where the legend stands; inside: in the first panel"
    )
    letters: bool | None = Field(default=None, description="Whether panels have letters, (a)")
    interval: Interval | None = Field(
        default=None,
        description="t (95 % Student t), bootstrap (95 % percentiles), sd (a standard deviation)",
    )

    @model_serializer
    def _plain(self) -> dict[str, Any]:
        """Return what YAML holds of it."""
        return ({} if self.as_ is None else {"as": self.as_}) | self.given

    @property
    def given(self) -> dict[str, Any]:
        """The options that change the figure, by their names; `as` is none."""
        names = [field.name for field in fields(self) if field.name != "as_"]
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value != DEFAULT[name]}

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics, none where the figure has its own."""
        if self.metric is None:
            return ()
        return (self.metric,) if isinstance(self.metric, str) else tuple(self.metric)


PLAIN = FigureOptions()
DEFAULT: dict[str, Any] = {field.name: getattr(PLAIN, field.name) for field in fields(PLAIN)}
KEYS = tuple("as" if name == "as_" else name for name in DEFAULT)
_ADAPTER = TypeAdapter(FigureOptions)


class Asked(NamedTuple):
    """A figure that is asked for.

    Attributes:
        kind: its name in `FIGURES`.
        options: what it takes beside the tables.
    """

    kind: str
    options: FigureOptions = PLAIN

    @property
    def file(self) -> str:
        """Name of its files."""
        return self.options.as_ or self.kind


# An entry of an experiment's `figures`: a name, or {name: {option: value}}.
Entry = str | Asked | Mapping[str, Mapping[str, Any]]


def asked(entries: Iterable[Entry]) -> list[Asked]:
    """Return the figures of entries, as `figures` of an experiment lists them.

    Raises:
        ValueError: an option does not exist or cannot have its value, or two figures would have the
            same files; the message begins with the figure.
    """
    found: list[Asked] = []
    for entry in entries:
        if isinstance(entry, Mapping):
            found += [Asked(kind, options_of(kind, given)) for kind, given in entry.items()]
        else:
            found.append(Asked(entry) if isinstance(entry, str) else entry)
    files = [figure.file for figure in found]
    for figure in found:
        if files.count(figure.file) > 1:
            raise ValueError(
                f"{figure.kind}: two figures would be written as {figure.file!r}; name one of "
                f"them, {{{figure.kind}: {{as: {figure.kind}_2}}}}"
            )
    return found


def options_of(kind: str, given: Mapping[str, Any]) -> FigureOptions:
    """Return the options of a figure, given by their names.

    Args:
        kind: name of the figure, which begins messages.
        given: values as YAML has them.

    Raises:
        ValueError: one does not exist, or cannot have its value; a line for each.
    """
    try:
        return _ADAPTER.validate_json(json.dumps(given), strict=True)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"{kind}: {error}") from None
    except ValidationError as error:
        raise ValueError("\n".join(_lines(kind, error))) from None


def _lines(kind: str, error: ValidationError) -> list[str]:
    lines = []
    for mistake in error.errors():
        path = [str(part) for part in mistake["loc"] if not str(part).startswith("entry[")]
        if mistake["type"] == "unexpected_keyword_argument":
            lines.append(f"{kind}: {unknown(path[-1], KEYS)}")
            continue
        says = mistake["msg"].removeprefix("Value error, ")
        lines.append(f"{kind}: {'.'.join(path)}: {says}, got {mistake['input']!r}")
    return lines


def unknown(name: str, valid: Sequence[str]) -> str:
    """Return the message for a name that does not exist, with one that is like it.

    >>> unknown("metrc", ["metric", "policies"])
    "unknown 'metrc'; did you mean 'metric'? Valid: metric, policies"
    >>> unknown("local", ["sac", "crowd"])
    "unknown 'local'; valid: sac, crowd"
    """
    listed = ", ".join(valid)
    close = get_close_matches(name, valid, n=1)
    meant = f"did you mean {close[0]!r}? Valid" if close else "valid"
    return f"unknown {name!r}; {meant}: {listed}"
