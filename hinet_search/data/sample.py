"""Sample: the rows that a study with the key `sample` searches on, those of some users.

A user is in the sample if the hash of its value is below the share. It depends on nothing else, so
that a larger sample has all users of a smaller one, and the next start finds the same rows. Rows
without a user are drawn one by one, by their number in the source.

Shape legend: R rows of the table, B rows of a block.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.hashing import MISSING, keys_of_values, uniform
from hinet_search.data.mapped import column_of
from hinet_search.data.reading import OWN, raise_problems
from hinet_search.data.rows import Rows, Sample, chosen_values
from hinet_search.results.data_record import SampleRecord
from hinet_search.study.data_definition import DataDefinition

SALT = 2**63  # above the seed of any split, of which the sample must not depend
IS_DRAWN = f"{OWN}is drawn"


def with_sample(rows: Rows, definition: DataDefinition, share: float) -> Rows:
    """The rows with a sample, those of a share of the users; as they are if it is all of them."""
    if share == 1:
        return rows
    user = definition.user
    key_R = np.broadcast_to(MISSING, rows.num_rows)
    if user is not None:
        key_R = rows.mapped(map(keys_of_values(rows.frame[user]), rows.blocks()))
    drawn = (_are_drawn(key_R[block], rows.row_R[block], share) for block in rows.blocks())
    record = SampleRecord(share, "rows" if user is None else "users", rows.num_rows)
    notes = _notes(user, int(np.count_nonzero(key_R == MISSING)))
    sample = Sample(rows.mapped(drawn), record)
    return replace(rows, sample=sample, notes=(*rows.notes, *notes))


def _are_drawn(
    key_B: NDArray[np.uint64], row_B: NDArray[np.uint64], share: float
) -> NDArray[np.bool_]:
    return uniform(np.where(key_B == MISSING, row_B, key_B), SALT) < share


def _notes(user: str | None, num_without: int) -> list[str]:
    """Say which rows are drawn one by one."""
    if user is None:
        remedy = "name the column of users as data.user to have all rows of some users"
        return [f"the sample draws rows one by one: {remedy}"]
    if not num_without:
        return []
    return [f"the sample draws {num_without:,} rows without a {user} one by one"]


def of_sample(rows: Rows) -> Rows:
    """The rows of the sample alone, or all without one."""
    if rows.sample is None:
        return rows
    drawn_R = rows.sample.is_drawn_R
    marked = rows.frame.with_columns(column_of(IS_DRAWN, drawn_R)).lazy()
    truth_RT = rows.truth_RT
    return replace(
        rows,
        frame=rows.collected(marked.filter(IS_DRAWN).drop(IS_DRAWN)),
        row_R=chosen_values(rows.row_R, drawn_R, rows.cache),
        scenario_R=chosen_values(rows.scenario_R, drawn_R, rows.cache),
        labels_RT=chosen_values(rows.labels_RT, drawn_R, rows.cache),
        split_R=chosen_values(rows.split_R, drawn_R, rows.cache),
        truth_RT=None if truth_RT is None else chosen_values(truth_RT, drawn_R, rows.cache),
        sample=None,
    )


def raise_of_sample(problems: list[str], sample: Sample | None) -> None:
    """DataError with problems of the rows that are searched on, placed at the key of a sample."""
    if sample is None:
        raise_problems(problems)
        return
    placed = [f"sample: {problem.removeprefix('data.split: ')}" for problem in problems]
    remedy = f"the sample has {sample.record.in_words}: write a larger share, or sample: none"
    raise_problems(placed, remedy)
