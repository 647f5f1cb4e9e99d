"""Kinds: what the value of an option may be, refused with what must hold and what was got."""

from typing import Any

import click

from hinet_search.errors import did_you_mean


class Whole(click.IntRange):
    """A whole number from `min` to `max`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        try:
            number: int = super().convert(value, param, ctx)
        except click.BadParameter:
            most = "" if self.max is None else f" and at most {self.max}"
            self.fail(f"must be a whole number of at least {self.min}{most}, got '{value}'", param, ctx)
        return number


class OneOf(click.Choice[str]):
    """One of some words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word."""
        try:
            word: str = super().convert(value, param, ctx)
        except click.BadParameter:
            known = ", ".join(self.choices)
            self.fail(f"must be one of {known}, got '{value}'{did_you_mean(str(value), self.choices)}", param, ctx)
        return word
