"""Gathering: what is wrong in several parts of a configuration, told at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from hinet_search.errors import ConfigurationError


class Gathering:
    """Collects what is wrong in several parts of a configuration, so that all of it is told at once."""

    def __init__(self) -> None:
        self._found: list[ConfigurationError] = []

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part that may be wrong without keeping the others from being looked at."""
        try:
            yield
        except ConfigurationError as error:
            self._found.append(error)

    def finish(self) -> None:
        """ConfigurationError with every problem and every remedy once, when there is any."""
        if self._found:
            problems = dict.fromkeys(problem for error in self._found for problem in error.problems)
            remedies = dict.fromkeys(error.remedy for error in self._found if error.remedy)
            raise ConfigurationError(*problems, remedy="\n".join(remedies)) from self._found[0]
