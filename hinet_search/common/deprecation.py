"""Deprecation: names that still work, with the release that removes them and what to use instead.

docs/stability.md has the promise. To deprecate a name, add it to DEPRECATED and call
`warn_of(name)` where the name is accepted. tests/common/test_deprecation.py fails once the release
is there in which a name must be gone: move the entry to gone.py then.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Deprecation:
    """The releases since which a name is deprecated and in which it is gone, and a remedy."""

    since: str  # a minor release, as 1.2
    gone_in: str  # a major release, as 2.0
    instead: str


DEPRECATED: Mapping[str, Deprecation] = {}


def warn_of(name: str, names: Mapping[str, Deprecation] = DEPRECATED) -> None:
    """Warn that a name of DEPRECATED was used.

    A FutureWarning: Python shows it to users, where it hides a DeprecationWarning from them.
    """
    entry = names[name]
    warnings.warn(
        f"'{name}' is deprecated since {entry.since} and is gone in {entry.gone_in}: "
        f"{entry.instead}",
        FutureWarning,
        stacklevel=3,
    )


def overdue(names: Mapping[str, Deprecation], release: str) -> tuple[str, ...]:
    """Return the names that must be gone in a release, such as 2.1.0."""
    now = _numbers(release)
    return tuple(name for name, entry in names.items() if _numbers(entry.gone_in) <= now)


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".")[:2])
