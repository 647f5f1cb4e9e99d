"""Test accesses: count the uses of a test split; deleting a study does not unsee the split."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, Select, and_, or_, select, update

from hinet_search.results.data_record import DataRecord
from hinet_search.storage import tables
from hinet_search.storage.damage import AnyRow, reads
from hinet_search.storage.row_mapping import from_json, to_json, utc_now
from hinet_search.storage.tables import insert_if_absent, test_access, test_rows

UNTIL = " until "  # in the name of an arm whose accesses were of other weights


def record_test_rows(connection: Connection, data: DataRecord) -> None:
    """Note the test rows of a fingerprint; they apply to test accesses stored before this too."""
    if data.test_rows is None:
        return
    row = {
        "fingerprint": data.fingerprint,
        "in_order": data.test_rows.in_order,
        "by_identity": data.test_rows.by_identity,
    }
    insert_if_absent(connection, test_rows, row)


def record_test_access(
    connection: Connection, fingerprint: str, finalist: tuple[str, str, int], seeds: Sequence[int]
) -> None:
    """Note a test access by a finalist (study, arm, trial number).

    Do nothing when the seeds' accesses are noted already.
    """
    study, arm, trial_number = finalist
    if accessed_seeds(connection, fingerprint, finalist) >= set(seeds):
        return
    row = {
        "fingerprint": fingerprint,
        "study": study,
        "arm": arm,
        "trial_number": trial_number,
        "seeds_json": to_json(tuple[int, ...], tuple(seeds)),
        # Not before the study, though a clock may have been set back: such accesses do not count.
        "opened": max(utc_now(), connection.execute(_began(study)).scalar_one()),
    }
    connection.execute(test_access.insert().values(row))


def rename_accesses(connection: Connection, study: str, arms: Sequence[str]) -> None:
    """Keep counting the test accesses of arms whose names other weights may take."""
    of_arms = and_(test_access.c.study == study, test_access.c.arm.in_(arms))
    connection.execute(
        update(test_access).where(of_arms).values(arm=test_access.c.arm + f"{UNTIL}{utc_now()}")
    )


def accessed_seeds(
    connection: Connection, fingerprint: str, finalist: tuple[str, str, int]
) -> set[int]:
    """Return a finalist's seeds that were scored on the test split of this data.

    `finalist` is study, arm and trial number. Accesses of an earlier study of the same name, since
    deleted, do not count: they were of other weights.
    """
    study, arm, trial_number = finalist
    began = _began(study).scalar_subquery()
    of_finalist = and_(
        test_access.c.fingerprint == fingerprint,
        test_access.c.study == study,
        test_access.c.arm == arm,
        test_access.c.trial_number == trial_number,
        test_access.c.opened >= began,
    )
    rows = connection.execute(select(test_access).where(of_finalist)).all()
    return set().union(*map(_to_seeds, rows))


def _began(study: str) -> Select[tuple[str]]:
    return select(tables.study.c.started).where(tables.study.c.name == study)


@reads(test_access)
def _to_seeds(row: AnyRow) -> tuple[int, ...]:
    seeds: tuple[int, ...] = from_json(tuple[int, ...], row.seeds_json)
    return seeds


def count_test_accesses(connection: Connection, fingerprint: str) -> int:
    """Count the accesses to the test rows by all studies of the database.

    Studies that use other features of the same rows count too.
    """
    return len(_of_same_rows(connection, fingerprint))


def count_looks(connection: Connection, fingerprint: str, study: str) -> int:
    """Count the looks at these test rows until the last one of a study; at least 1.

    A study had as many looks as its most used arm has accesses, those of deleted studies of its
    name among them: a launch uses each arm once.
    """
    rows = _of_same_rows(connection, fingerprint)
    last = max((row.id for row in rows if row.study == study), default=0)
    uses: Counter[tuple[str, str]] = Counter()
    most: dict[str, int] = {}
    for row in rows:
        if row.id <= last:
            arm = row.study, row.arm.partition(UNTIL)[0]
            uses[arm] += 1
            most[row.study] = max(most.get(row.study, 0), uses[arm])
    return max(1, sum(most.values()))


def _of_same_rows(connection: Connection, fingerprint: str) -> Sequence[AnyRow]:
    """Return the accesses to the test rows by all studies."""
    same_rows = test_rows.alias()
    either = or_(
        test_rows.c.in_order == same_rows.c.in_order,
        test_rows.c.by_identity == same_rows.c.by_identity,
    )
    fingerprints = (
        select(test_rows.c.fingerprint)
        .join(same_rows, either)
        .where(same_rows.c.fingerprint == fingerprint)
    )
    is_counted = or_(
        test_access.c.fingerprint == fingerprint, test_access.c.fingerprint.in_(fingerprints)
    )
    return connection.execute(select(test_access).where(is_counted)).all()
