"""To 6: move trials from Optuna's tables to our rows; add the key of an arm's copy in Optuna."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import inf

from alembic.operations import Operations
from optuna.distributions import BaseDistribution, json_to_distribution
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    String,
    Text,
    cast,
    column,
    delete,
    insert,
    inspect,
    select,
    table,
    update,
)

from hinet_search.results.records import Scalar
from hinet_search.storage.damage import AnyRow, row_of
from hinet_search.storage.row_mapping import to_json

_STATES = {"RUNNING": "running", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
_INFINITE = {"INF_POS": inf, "INF_NEG": -inf}
_arm = table("hs_arm", column("study"), column("arm"), column("optuna_study_id"))
_trial = table(
    "hs_trial",
    column("study"),
    column("arm"),
    column("number"),
    column("attempt"),
    column("config_hash"),
    column("cause"),
    column("state"),
    column("value"),
    column("parameters_json"),
    column("started"),
    column("finished"),
    column("is_default", Boolean),
)
# Optuna's tables at the time when our rows depended on them
_studies = table("studies", column("study_id"), column("study_name"))
_trials = table(
    "trials",
    column("trial_id"),
    column("study_id"),
    column("number"),
    column("state"),
    column("datetime_start"),
    column("datetime_complete"),
)
_values = table(
    "trial_values",
    column("trial_id"),
    column("objective"),
    column("value"),
    column("value_type"),
)
_drawn = table(
    "trial_params",
    column("param_id"),
    column("trial_id"),
    column("param_name"),
    column("param_value"),
    column("distribution_json"),
)


def upgrade(operations: Operations) -> None:
    """Fill our rows from Optuna's; delete rows without a trial in Optuna, which no page showed."""
    connection = operations.get_bind()
    operations.add_column("hs_arm", Column("optuna_study_id", Integer))
    for name, kind in (("state", String(16)), ("value", Float), ("parameters_json", Text)):
        operations.add_column("hs_trial", Column(name, kind))
    for name in ("started", "finished"):
        operations.add_column("hs_trial", Column(name, String(32)))
    if inspect(connection).has_table("trials"):
        for study, arm in connection.execute(select(_arm.c.study, _arm.c.arm)).all():
            _fill(connection, study, arm)
        operations.execute("DROP INDEX IF EXISTS hs_trials_by_number")
    connection.execute(delete(_trial).where(_trial.c.state.is_(None)))
    with operations.batch_alter_table("hs_trial") as changed:
        changed.alter_column("state", existing_type=String(16), nullable=False)
        changed.alter_column("parameters_json", existing_type=Text, nullable=False)
        changed.alter_column("started", existing_type=String(32), nullable=False)
        changed.drop_column("config_hash")


def _fill(connection: Connection, study: str, arm: str) -> None:
    """Fill the trials of an arm.

    Where Optuna's trials were deleted, the arm gets a key that no study has, and cannot resume.
    """
    of_arm = (_trial.c.study == study) & (_trial.c.arm == arm)
    our_numbers = set(connection.execute(select(_trial.c.number).where(of_arm)).scalars())
    by_name = select(_studies.c.study_id).where(_studies.c.study_name == f"{study}/{arm}")
    study_id = connection.execute(by_name).scalar()
    number = None
    for number, columns in _trials_of(connection, study_id, f"{study}/{arm}"):
        if number in our_numbers:
            connection.execute(
                update(_trial).where(of_arm, _trial.c.number == number).values(columns)
            )
        elif columns["state"] != "running":  # a running trial without our row is drawn again
            new = {
                "study": study,
                "arm": arm,
                "number": number,
                "attempt": 1,
                "config_hash": "",
                "cause": "",
            }
            connection.execute(insert(_trial).values({**new, "is_default": False, **columns}))
    key = 0 if our_numbers and number is None else study_id
    connection.execute(
        update(_arm).where(_arm.c.study == study, _arm.c.arm == arm).values(optuna_study_id=key)
    )


def _trials_of(
    connection: Connection, study_id: int | None, name: str
) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the number and columns of every trial that has begun."""
    drawn = _parameters(connection, study_id, name)
    with_value = _trials.outerjoin(
        _values, (_values.c.trial_id == _trials.c.trial_id) & (_values.c.objective == 0)
    )
    statement = (
        select(
            _trials.c.trial_id,
            _trials.c.number,
            cast(_trials.c.state, String).label("state"),  # an enumeration type on PostgreSQL
            _values.c.value,
            cast(_values.c.value_type, String).label("value_type"),
            cast(_trials.c.datetime_start, String).label("started"),
            cast(_trials.c.datetime_complete, String).label("finished"),
        )
        .select_from(with_value)
        .where(_trials.c.study_id == study_id, cast(_trials.c.state, String) != "WAITING")
        .order_by(_trials.c.number)
    )
    for row in connection.execute(statement).all():
        with row_of("trials", study_name=name, number=row.number):
            value = _INFINITE.get(row.value_type, row.value)
            yield (
                row.number,
                {
                    "state": _STATES[row.state],
                    "value": value if row.state == "COMPLETE" else None,
                    "parameters_json": to_json(Mapping[str, Scalar], drawn[row.trial_id]),
                    "started": _utc(row.started),
                    "finished": row.finished and _utc(row.finished),
                },
            )


def _parameters(
    connection: Connection, study_id: int | None, name: str
) -> Mapping[int, dict[str, Scalar]]:
    """Return the parameters of an arm's trials, by Optuna's key of the trial."""
    by_trial: Mapping[int, dict[str, Scalar]] = defaultdict(dict)
    statement = (
        select(_drawn)
        .select_from(_drawn.join(_trials, _trials.c.trial_id == _drawn.c.trial_id))
        .where(_trials.c.study_id == study_id)
        .order_by(_drawn.c.param_id)
    )
    for row in connection.execute(statement).all():
        with row_of("trial_params", study_name=name, param_id=row.param_id):
            by_trial[row.trial_id][row.param_name] = _external(row)
    return by_trial


def _external(row: AnyRow) -> Scalar:
    value: Scalar = _distribution(row.distribution_json).to_external_repr(row.param_value)
    return value


@lru_cache(maxsize=4096)
def _distribution(text: str) -> BaseDistribution:
    return json_to_distribution(text)


def _utc(text: str) -> str:
    """Convert a time of Optuna's tables, in UTC without a zone, to the form of our columns."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat(timespec="seconds")
