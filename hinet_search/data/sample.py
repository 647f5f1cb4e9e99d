"""Sample: the rows of some users, on which a study with the key `sample` searches.

A user is in the sample if the hash of its value is below the share. It depends on nothing else, so
that a larger sample has all users of a smaller one, and the next start finds the same rows. Rows
without a user are drawn one by one, by their number in the source.

Shape legend: R rows of the table, B rows of a block.
"""

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.encode import COUNT, VALUE, Encoding, TrainingRows
from hinet_search.data.hashing import MISSING, keys_of_values, uniform
from hinet_search.data.mapped import column_of
from hinet_search.data.reading import OWN, raise_problems
from hinet_search.data.rows import Rows, Sample, chosen_values
from hinet_search.results.data_record import DataRecord, SampleRecord
from hinet_search.study.data_definition import DataDefinition

SALT = 2**63  # above the seed of any split, of which the sample must not depend
IS_DRAWN = f"{OWN}is drawn"
OF_ALL = f"{OWN}of all"


def with_sample(rows: Rows, definition: DataDefinition, share: float) -> Rows:
    """The rows of a share of the users as a sample; unchanged if it is the share of all."""
    if share == 1:
        return rows
    user = definition.user
    key_R = np.broadcast_to(MISSING, rows.num_rows)
    if user is not None:
        key_R = rows.mapped(map(keys_of_values(rows.frame[user]), rows.blocks()))

    def are_drawn(block: slice) -> NDArray[np.bool_]:
        key_B = np.where(key_R[block] == MISSING, rows.row_R[block], key_R[block])
        return uniform(key_B, SALT) < share

    sample = Sample(
        rows.mapped(map(are_drawn, rows.blocks())),
        SampleRecord(share, "rows" if user is None else "users", rows.num_rows),
    )
    notes = rows.notes
    num_without = int(np.count_nonzero(key_R == MISSING))
    if user is None:
        remedy = "name the column of users as data.user to have all rows of some users"
        notes = (*notes, f"the sample draws rows one by one: {remedy}")
    elif num_without:
        notes = (*notes, f"the sample draws {num_without:,} rows without a {user} one by one")
    return replace(rows, sample=sample, notes=notes)


def of_sample(rows: Rows) -> Rows:
    """The rows of the sample alone, or all without one."""
    if rows.sample is None:
        return rows
    drawn_R = rows.sample.is_drawn_R
    marked = rows.frame.with_columns(column_of(IS_DRAWN, drawn_R)).lazy()
    truth_RT = rows.truth_RT
    groups = rows.groups
    if groups is not None:
        groups = replace(groups, first_R=chosen_values(groups.first_R, drawn_R, rows.cache))
    return replace(
        rows,
        frame=rows.collected(marked.filter(IS_DRAWN).drop(IS_DRAWN)),
        row_R=chosen_values(rows.row_R, drawn_R, rows.cache),
        scenario_R=chosen_values(rows.scenario_R, drawn_R, rows.cache),
        labels_RT=chosen_values(rows.labels_RT, drawn_R, rows.cache),
        split_R=chosen_values(rows.split_R, drawn_R, rows.cache),
        groups=groups,
        truth_RT=None if truth_RT is None else chosen_values(truth_RT, drawn_R, rows.cache),
        sample=None,
    )


def frequencies_of_all(
    all_rows: Rows, encoding: Encoding, record: DataRecord
) -> tuple[NDArray[np.int64], ...]:
    """How many of all training rows have the ids of the sample, as in Dataset; empty without one.

    Entries of lists are not counted again: they are taken to be as many times more as the rows.
    """
    if record.sample is None:
        return ()
    is_train_R = all_rows.mapped(
        all_rows.split_R[each] == SPLITS.index("train") for each in all_rows.blocks()
    )
    train = TrainingRows(all_rows.frame, pl.Series(is_train_R), all_rows.cache)
    of_all = []
    for number, vocabulary in enumerate(encoding.all_vocabularies):
        count_V = vocabulary.table[COUNT] * record.times_the_rows
        if number < len(encoding.vocabularies):
            counts = train.counts(vocabulary.name).rename({COUNT: OF_ALL})
            count_V = vocabulary.table.join(counts, VALUE, "left", maintain_order="left")[OF_ALL]
        of_all.append(count_V.to_numpy().astype(np.int64))
    return tuple(of_all)


def raise_of_sample(problems: list[str], sample: Sample | None) -> None:
    """DataError with problems of the rows that are searched on, placed at the key of a sample."""
    if sample is None:
        raise_problems(problems)
        return
    placed = [f"sample: {problem.removeprefix('data.split: ')}" for problem in problems]
    remedy = f"the sample has {sample.record.in_words}: write a larger share, or sample: none"
    raise_problems(placed, remedy)
