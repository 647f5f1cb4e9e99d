"""Clock: times as records hold them, ISO 8601 in UTC to the second."""

from datetime import UTC, datetime


def utc_now() -> str:
    """Now."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def utc_text(moment: datetime | None) -> str:
    """A moment of Optuna, which is naive and local; an empty string when there is none."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
