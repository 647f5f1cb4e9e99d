"""Openings: how often a test split was looked at. They outlive their study, as nothing makes a split unseen again."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from hinet_search.storage.clock import utc_now
from hinet_search.storage.codec import to_json
from hinet_search.storage.tables import opening


def note_opening(
    connection: Connection, fingerprint: str, finalist: tuple[str, str, int], seeds: Sequence[int]
) -> None:
    """Notes one opening by a finalist (study, arm, trial number)."""
    study, arm, trial_number = finalist
    row = {
        "fingerprint": fingerprint,
        "study": study,
        "arm": arm,
        "trial_number": trial_number,
        "seeds_json": to_json(tuple[int, ...], tuple(seeds)),
        "opened": utc_now(),
    }
    connection.execute(opening.insert().values(row))


def count_openings(connection: Connection, fingerprint: str) -> int:
    """Openings of the test split of this data, by all studies of the database."""
    return connection.execute(
        select(func.count()).select_from(opening).where(opening.c.fingerprint == fingerprint)
    ).scalar_one()
