"""Options that may be given once: of two of a kind the first would be lost without a word."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption


class OnceCommand(TyperCommand):
    """A command that refuses an option given twice, where it holds one value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, after a look at how often each option is given.

        Raises:
            typer.BadParameter: one that holds a single value is given more than once.
        """
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for parameter in given:
            single = isinstance(parameter, TyperOption) and not parameter.multiple
            if single and given.count(parameter) > 1:
                times = given.count(parameter)
                raise typer.BadParameter(f"{parameter.opts[0]} is given {times} times", ctx)
        return super().parse_args(ctx, args)


class OnceTyper(typer.Typer):
    """Commands of which each is an `OnceCommand`."""

    def command(self, *args: Any, **keys: Any) -> Callable[..., Any]:
        """See `typer.Typer`."""
        return super().command(*args, **({"cls": OnceCommand} | keys))
