"""Clock: times as records hold them, ISO 8601 in UTC to the second."""

from datetime import UTC, datetime


def utc_now() -> str:
    """Now."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def utc_text(moment: datetime | None) -> str:
    """A moment of Optuna's tables, which is in UTC without saying so; an empty string when there is none."""
    return "" if moment is None else moment.replace(tzinfo=UTC).isoformat(timespec="seconds")
