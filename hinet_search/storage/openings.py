"""Openings: how often a test split was looked at. They outlive their study, as nothing makes a split unseen again."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, func, select

from hinet_search.storage import tables
from hinet_search.storage.clock import utc_now
from hinet_search.storage.codec import from_json, to_json
from hinet_search.storage.tables import opening


def note_opening(
    connection: Connection, fingerprint: str, finalist: tuple[str, str, int], seeds: Sequence[int]
) -> None:
    """Notes one opening by a finalist (study, arm, trial number); one that was noted for these seeds is the same one."""
    study, arm, trial_number = finalist
    if seeds_of_openings(connection, fingerprint, finalist) >= set(seeds):
        return
    row = {
        "fingerprint": fingerprint,
        "study": study,
        "arm": arm,
        "trial_number": trial_number,
        "seeds_json": to_json(tuple[int, ...], tuple(seeds)),
        "opened": utc_now(),
    }
    connection.execute(opening.insert().values(row))


def seeds_of_openings(connection: Connection, fingerprint: str, finalist: tuple[str, str, int]) -> set[int]:
    """Seeds of a finalist (study, arm, trial number) that were opened on the test split of this data.

    Openings of an earlier study of the same name, since deleted, were of other weights.
    """
    study, arm, trial_number = finalist
    began = select(tables.study.c.started).where(tables.study.c.name == study).scalar_subquery()
    of_finalist = and_(
        opening.c.fingerprint == fingerprint,
        opening.c.study == study,
        opening.c.arm == arm,
        opening.c.trial_number == trial_number,
        opening.c.opened >= began,
    )
    rows = connection.execute(select(opening.c.seeds_json).where(of_finalist)).scalars()
    return {seed for seeds_json in rows for seed in from_json(tuple[int, ...], seeds_json)}


def count_openings(connection: Connection, fingerprint: str) -> int:
    """Openings of the test split of this data, by all studies of the database."""
    return connection.execute(
        select(func.count()).select_from(opening).where(opening.c.fingerprint == fingerprint)
    ).scalar_one()
