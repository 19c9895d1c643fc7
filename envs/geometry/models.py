"""Models that a section `{model: NAME, ...}` names, its other keys being their parameters."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails

from mechanisms.errors import described
from mechanisms.registry import Part, Registry, nearest

MODEL = "model"  # the key that names one
Model = dict[str, JsonValue]  # such a section
_Kind = TypeVar("_Kind", bound=Callable[..., object])


class Models(Registry[Part]):
    """The models of one kind by name, each a dataclass of its parameters.

    Args:
        kind: name of the kind in messages.
        base: class that all of them are of.
    """

    def __init__(self, kind: str, base: type[Part]) -> None:
        super().__init__(kind)
        self.base = base

    def register(self, name: str) -> Callable[[_Kind], _Kind]:
        """Return a decorator that registers a model, `model: name`.

        Raises:
            TypeError: by the decorator, where the class is no dataclass of the kind, lacks a
                method, or has a parameter `model`.
            ValueError: by the decorator, where the name is taken.
        """

        def add(model: _Kind) -> _Kind:
            what, kind = f"{self.kind} {name!r}", cast(Any, model)
            if not (isinstance(kind, type) and issubclass(kind, self.base)):
                raise TypeError(f"{what}: {kind!r} is no class of {self.base.__name__}")
            if inspect.isabstract(kind):
                missing = ", ".join(sorted(cast(Any, model).__abstractmethods__))
                raise TypeError(f"{what}: {kind.__name__} lacks {missing}")
            if not is_dataclass(kind):
                raise TypeError(f"{what}: {kind.__name__} should be a dataclass of its parameters")
            if MODEL in _parameters(kind):
                raise TypeError(f"{what}: {MODEL!r} is the key that names it, and no parameter")
            return super(Models, self).register(name)(model)

        return add

    def made_of(self, section: Mapping[str, Any]) -> Part:
        """Return the model of a section `{model: NAME, parameter: value, ...}`.

        Raises:
            ValidationError: there is none of that name, it has no such parameter, lacks one, or
                refuses a value; the error has the path of the key.
        """
        name = section.get(MODEL)
        if not isinstance(name, str):
            words = f"should name a {self.kind}: {', '.join(self.names())}"
            raise mistake(ValueError(words), MODEL, value=name)
        try:
            kind: Any = self[name]
        except ValueError as error:
            raise mistake(error, MODEL, value=name) from None
        parameters = {key: value for key, value in section.items() if key != MODEL}
        known = _parameters(kind)
        for key, value in parameters.items():
            if key not in known:
                words = f"{self.kind} {name!r} has no parameter {key!r}; {nearest(key, known)}"
                raise mistake(ValueError(words), key, value=value)
        try:
            # By JSON, which is strict: no string passes for a number, and lists may be tuples.
            made: Part = TypeAdapter(kind).validate_json(json.dumps(parameters), strict=True)
        except ValidationError:
            raise
        except Exception as error:  # of whatever a model of a user's own does
            words = f"{self.kind} {name!r}: {described(error)}"
            raise mistake(ValueError(words), value=parameters) from None
        return made


def mistake(error: ValueError, *path: str, value: Any = None) -> ValidationError:
    """Return the error of a key of a section.

    Args:
        error: says what is wrong.
        path: keys that lead to it from the section.
        value: what was given.
    """
    details = InitErrorDetails(type="value_error", loc=path, input=value, ctx={"error": error})
    return ValidationError.from_exception_data("section", [details])


def _parameters(kind: Any) -> list[str]:
    return [field.name for field in fields(kind) if field.init]
