"""Entries of `evaluation.policies`: what is compared, and its name in records and figures.

An entry is a name, or a section that holds one of four keys: `name`, of a policy that is
registered, with parameters of its own; `run`, for a policy that was trained in another run;
`import`, for a class in a file beside the experiment, or in a module; `users`, for a policy of
these with who plays the other sides of the market.
"""

import re
import sys
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeInt,
    Tag,
    model_serializer,
    model_validator,
)

from envs.roles.levers import ROLES, USERS
from marl_moe.errors import unknown_key
from marl_moe.experiment.spec.section import LONGEST_NAME
from marl_moe.policies import POLICIES, Cooperative, Nash, Optimum, Policy, Selfish, make
from marl_moe.policies.sides import OTHER_SIDES
from marl_moe.sources import module_of
from mechanisms.registry import UnknownNameError

AS, NAME, RUN, IMPORT = "as", "name", "run", "import"
YARDSTICKS = (Nash.name, Optimum.name, Cooperative.name, Selfish.name)  # found by their names
IMPORTED = re.compile(r"^(?P<module>[A-Za-z_]\w*\.py|[A-Za-z_][\w.]*):(?P<attribute>[A-Za-z_]\w*)$")


class Entry(BaseModel):
    """A policy that is compared.

    Attributes:
        shown_as: its name in records and figures, the key `as`.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, allow_inf_nan=False)

    shown_as: str = Field(
        alias=AS,
        pattern=r"^\S(.*\S)?$",
        max_length=LONGEST_NAME,
        description="Name in records and figures",
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get(AS) is None and "shown_as" not in given:
            return given | {AS: cls.default_name(given)}
        return given

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        if self.shown_as in POLICIES and self.shown_as != getattr(self, "name", None):
            raise ValueError(f"as: {self.shown_as!r} is the name of another policy")
        return self

    @classmethod
    def default_name(cls, given: dict[str, Any]) -> str:
        """Return the name of an entry that says none."""
        raise NotImplementedError


def only_known(entry: type[Entry], given: Any) -> Any:
    """Return what is given of an entry that has no keys but its own.

    Raises:
        ValueError: another key.
    """
    valid = [field.alias or name for name, field in entry.model_fields.items()]
    for key in given if isinstance(given, dict) else ():
        if key not in valid:
            raise ValueError(f"{unknown_key(key, valid)} (unknown key)")
    return given


class RegisteredPolicy(Entry):
    """A policy that is registered, `{name: two_choices, theta: 0.3}`; further keys are its own."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(description="Name of a registered policy, as `marl-moe list` shows them")

    @classmethod
    def default_name(cls, given: dict[str, Any]) -> str:
        """See `Entry`."""
        return str(given.get(NAME))

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        self.make(np.random.default_rng(0))
        if self.name in YARDSTICKS and self.shown_as != self.name:
            raise ValueError(f"as: {self.name} keeps its name, by which it is known as a yardstick")
        return self

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the entry that is a name alone.

        Raises:
            ValueError: there is no policy of that name.
        """
        return cls.model_validate({NAME: name})

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of its own."""
        return dict(self.model_extra or {})

    def make(self, rng: np.random.Generator) -> Policy:
        """Make the policy.

        Raises:
            ValueError: there is none of that name, or it does not take a parameter.
        """
        if self.name not in POLICIES:
            raise UnknownNameError(unknown_key(self.name, POLICIES), self.name)
        return make(self.name, rng, **self.parameters)

    @model_serializer
    def _plain(self) -> Any:
        plain = {NAME: self.name} | self.parameters
        if self.shown_as != self.name:
            plain[AS] = self.shown_as
        return self.name if plain == {NAME: self.name} else plain


class PolicyOfRun(Entry):
    """A policy trained in another run, `{run: results/free, policy: sac, as: "SAC, free"}`."""

    model_config = ConfigDict(extra="forbid")

    run: str = Field(min_length=1, description="Folder of the run that trained it")
    policy: str = Field(description="Its name there, such as sac or sac_stochastic")
    seed: NonNegativeInt | None = Field(
        None, description="Seed that it was trained with; null: the seed that it plays under"
    )
    point: str | None = Field(
        None,
        description="Label of its sweep point there; null: the only one, or that of the same "
        "settings",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        return only_known(cls, given)

    @classmethod
    def default_name(cls, given: dict[str, Any]) -> str:
        """See `Entry`."""
        return str(given.get("policy"))

    @model_serializer
    def _plain(self) -> Any:
        plain = {key: getattr(self, key) for key in ("run", "policy", "seed", "point")}
        return {key: value for key, value in plain.items() if value is not None} | {
            AS: self.shown_as
        }


class ImportedPolicy(Entry):
    """A class with `act`, `{import: mine.py:Mine, as: "Mine"}`; further keys are its own."""

    model_config = ConfigDict(extra="allow")

    source: str = Field(
        alias=IMPORT,
        description="FILE.py:CLASS, the file beside the experiment, or package.module:CLASS",
    )

    @model_validator(mode="after")
    def _names_a_class(self) -> Self:
        if not IMPORTED.match(self.source):
            raise ValueError(
                f"import: should read FILE.py:CLASS or package.module:CLASS, got {self.source!r}"
            )
        return self

    @classmethod
    def default_name(cls, given: dict[str, Any]) -> str:
        """See `Entry`: the `name` of the class if it was imported and has one."""
        found = IMPORTED.match(str(given.get(IMPORT)))
        if found is None:
            return "imported"  # and refused for what it names
        module = sys.modules.get(module_of(found["module"]))
        name = getattr(getattr(module, found["attribute"], None), "name", None)
        return name if isinstance(name, str) else snake_case(found["attribute"])

    @property
    def module(self) -> str:
        """File or dotted name of the module, as `imports` lists it."""
        return self.source.rpartition(":")[0]

    @property
    def attribute(self) -> str:
        """Name of the class in its module."""
        return self.source.rpartition(":")[2]

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of its own."""
        return dict(self.model_extra or {})

    @model_serializer
    def _plain(self) -> Any:
        return {IMPORT: self.source} | self.parameters | {AS: self.shown_as}


class PolicyOfRoles(Entry):
    """Who plays each role, `{users: crowd, edge_devices: truthful, as: "crowd among the honest"}`.

    Sides that are left out play as they were trained, as beside every other policy.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)

    users: str = Field(description="Name of the learned policy, or of a registered one")
    edge_devices: Literal["learned", "truthful"] = Field(
        "learned", description="As they were trained, or reporting their costs"
    )
    platform: Literal["learned", "fixed"] = Field(
        "learned", description="As it was trained, or deciding by market.value without a margin"
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        return only_known(cls, given)

    @classmethod
    def default_name(cls, given: dict[str, Any]) -> str:
        """See `Entry`."""
        parts = [str(given.get(USERS))]
        parts += [str(given[role]) for role in OTHER_SIDES if role in given]
        return ", ".join(parts)

    @model_serializer
    def _plain(self) -> Any:
        return {key: getattr(self, key) for key in ROLES} | {AS: self.shown_as}


def snake_case(name: str) -> str:
    """Return the name of a class as names are written: TwoChoices is two_choices."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _of_word(given: Any) -> Any:
    return RegisteredPolicy.of(given) if isinstance(given, str) else given


KINDS = {NAME: RegisteredPolicy, RUN: PolicyOfRun, IMPORT: ImportedPolicy, USERS: PolicyOfRoles}


def _kind(given: Any) -> str | None:
    if isinstance(given, dict):
        kinds = [kind for kind in KINDS if kind in given]
    else:
        kinds = [kind for kind, section in KINDS.items() if isinstance(given, section)]
    return f"entry[{kinds[0]}]" if len(kinds) == 1 else None


PolicyEntry = Annotated[
    Annotated[RegisteredPolicy, Tag("entry[name]")]
    | Annotated[PolicyOfRun, Tag("entry[run]")]
    | Annotated[ImportedPolicy, Tag("entry[import]")]
    | Annotated[PolicyOfRoles, Tag("entry[users]")],
    Discriminator(
        _kind,
        custom_error_type="policy_entry",
        custom_error_message="should be the name of a policy, or hold one of the keys name, run, "
        "import and users",
    ),
    BeforeValidator(
        _of_word,
        json_schema_input_type=str
        | RegisteredPolicy
        | PolicyOfRun
        | ImportedPolicy
        | PolicyOfRoles,
    ),
]


def check_named_apart(entries: list[PolicyEntry], taken: list[str]) -> None:
    """Check that the names of entries differ, from each other and from those that are taken.

    Args:
        entries: entries of `evaluation.policies`.
        taken: names of the policies that the experiment trains.

    Raises:
        ValueError: two have the same name.
    """
    seen: dict[str, PolicyEntry | None] = dict.fromkeys(taken)
    for entry in entries:
        name = entry.shown_as
        if name in seen:
            twice = entry == seen[name] or name in YARDSTICKS
            other = "another policy" if seen[name] else "the learned policy"
            raise ValueError(
                f"policies: {name!r} is listed twice; leave one out"
                if twice
                else f"policies: {other} is named {name!r} too; give each a name by 'as'"
            )
        seen[name] = entry
