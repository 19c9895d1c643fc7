"""A section of the report."""

from typing import Any, NamedTuple


class Section(NamedTuple):
    """A section of the report: what its page code draws.

    Attributes:
        id: name of its page code, by which that registers.
        title: heading.
        data: values that JSON holds.
    """

    id: str
    title: str
    data: Any
