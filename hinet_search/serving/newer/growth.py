"""Growth: continue the encoder of an exported model with newer rows.

- Vocabularies grow. Counts of values add up; a value that is new gets an id if the newer rows have
  it as often as the study and some model demand, and every value of before keeps an id, unless ids
  that no row has had for some days are to be forgotten (forgetting.py). Ids stay in the order of
  the counts, so that a model's own minimum frequency is still a cut-off.
- Counts of labels roll forward (data/derived/label_counts.py), and so does the log. Every row
  sees the rows before it, held-out ones too, as in production.
- Numbers stay standardised as in training, and what is known of lists stays that of the study:
  the weights were learned for these.

Only rows that are learned from add to vocabularies. Held-out labels are counted for later days.
Shape legend: R rows, V ids of a vocabulary, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS, Columns
from hinet_search.data.derived.inputs import fit_list_vocabularies
from hinet_search.data.derived.label_counts import (
    is_counted,
    newer_statistics,
    rolled_counts,
)
from hinet_search.data.encode import COUNT, VALUE, Encoding, Vocabulary, ids_of, vocabulary_of
from hinet_search.data.raw_values import known_values
from hinet_search.data.rows import Rows
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import History, RolledInputs
from hinet_search.serving.newer.forgetting import with_newer_days, without_unseen
from hinet_search.serving.newer.rows import NewerRows
from hinet_search.serving.rolling import log_after

TRAIN = SPLITS.index("train")
VALID = SPLITS.index("valid")


@dataclass(frozen=True)
class GrownEncoder:
    """An encoder after newer rows, and these rows encoded by it.

    `previous_ids[v]` has, for every id of vocabulary v (V,), the id that its value had before; 0
    for those that are new; `num_before` counts the ids of each before. `is_judging_R` is of the
    held-out rows, and so is what they see of the log, which is the same for the encoder of before.
    """

    encoder: Encoder
    previous_ids: tuple[NDArray[np.int32], ...]
    num_before: tuple[int, ...]
    learned: Columns
    held_out: Columns
    is_judging_R: NDArray[np.bool_]
    log_of_held_out: RolledInputs

    @property
    def choosing(self) -> Columns:
        """The held-out rows that choose when trainings stop, and calibrators."""
        return self.held_out.where(~self.is_judging_R)

    @property
    def judging(self) -> Columns:
        """The held-out rows on which both models are compared."""
        return self.held_out.where(self.is_judging_R)

    @property
    def num_new_ids(self) -> dict[str, int]:
        """The number of new ids of every vocabulary that has some."""
        return self._named([int((previous_V[1:] == 0).sum()) for previous_V in self.previous_ids])

    @property
    def num_forgotten_ids(self) -> dict[str, int]:
        """The number of forgotten ids of every vocabulary that has some."""
        stayed = [np.count_nonzero(previous_V) for previous_V in self.previous_ids]
        return self._named(np.subtract(self.num_before, stayed).tolist())

    def _named(self, counts: Sequence[int]) -> dict[str, int]:
        names = self.encoder.inputs.vocabularies
        return {name: count for name, count in zip(names, counts, strict=True) if count}


def grow(
    encoder: Encoder, newer: NewerRows, minimum_frequency: int, forget_after: int | None = None
) -> GrownEncoder:
    """Continue an encoder with newer rows, and encode them as a study encodes train and valid.

    Ids that no row has had for `forget_after` days are forgotten, or none.
    """
    split_R = np.where(newer.is_held_out_R, VALID, TRAIN).astype(np.uint8)
    rows = encoder.rows(newer.frame, newer.labels_RT, split_R)
    encoding = _grown_encoding(encoder, rows, minimum_frequency)
    unknown = np.zeros(1, dtype=np.int32)
    previous_ids = []
    for now, before in zip(
        encoding.all_vocabularies, encoder.encoding.all_vocabularies, strict=True
    ):
        previous_ids.append(np.concatenate([unknown, ids_of(now.table[VALUE], before)]))
    rolled, history = _rolled(encoder, rows)
    grown = replace(encoder, encoding=encoding, history=history)
    derived = encoder.history.derived(encoder.inputs, rows.listed, rolled)
    columns = grown.encoded(rows.listed, rows.scenario_R, derived)
    grown = with_newer_days(encoder, grown, previous_ids, columns, newer)
    if forget_after is not None:
        grown, kept_ids = without_unseen(grown, newer.today, forget_after)
        kept = zip(previous_ids, kept_ids, strict=True)
        previous_ids = [previous_V[kept_V] for previous_V, kept_V in kept]
        columns = grown.encoded(rows.listed, rows.scenario_R, derived)
    columns = replace(
        columns, labels_RT=rows.labels_RT, user_R=newer.user_R, weight_R=newer.weight_R
    )
    of_log = replace(rolled, statistics=None)
    return GrownEncoder(
        encoder=grown,
        previous_ids=tuple(previous_ids),
        num_before=tuple(each.size - 1 for each in encoder.encoding.all_vocabularies),
        learned=columns.where(~newer.is_held_out_R),
        held_out=columns.where(newer.is_held_out_R),
        is_judging_R=newer.is_judging_R[newer.is_held_out_R],
        log_of_held_out=of_log.where(newer.is_held_out_R),
    )


def counted_again(before: Encoder, newer: NewerRows) -> str:
    """Warn if rows are of days whose labels the model has counted; empty if none are.

    Rows of such a day may be others: which rows were counted is not known.
    """
    counts = before.history.counts
    definition = before.inputs.statistics
    if counts is None or definition is None or definition.clock is None:
        return ""
    is_counted_R = is_counted(counts, definition, newer.frame[definition.clock])
    if not is_counted_R.any():
        return ""
    rows = (
        f"{int(is_counted_R.sum()):,} of {len(is_counted_R):,} rows are of {definition.period}s "
        "whose labels the model has counted already"
    )
    if definition.is_frozen:
        return f"{rows}: if it has learned from these rows, their labels count twice"
    return f"{rows}: it learns from these rows, and counts none of their labels again"


def _grown_encoding(encoder: Encoder, rows: Rows, minimum_frequency: int) -> Encoding:
    before = encoder.encoding
    is_learned_R = rows.split_R == TRAIN
    newer_fields = []
    for vocabulary in before.vocabularies:
        learned = rows.frame[vocabulary.name].filter(pl.Series(is_learned_R))
        known = pl.DataFrame({VALUE: known_values(learned).drop_nulls()})
        counts = known.group_by(VALUE).agg(pl.len().alias(COUNT))
        newer_fields.append(vocabulary_of(vocabulary.name, counts, 1))
    newer_lists = fit_list_vocabularies(encoder.inputs.lists, rows.listed, is_learned_R, 1)
    num_lists = len(newer_lists)  # labels and gaps of sequences follow, which have all their ids
    of_lists = before.list_vocabularies[:num_lists]
    numbered = before.list_vocabularies[num_lists:]
    return replace(
        before,
        vocabularies=_grown(before.vocabularies, newer_fields, minimum_frequency),
        list_vocabularies=(*_grown(of_lists, newer_lists, minimum_frequency), *numbered),
    )


def _grown(
    before: Sequence[Vocabulary], newer: Sequence[Vocabulary], minimum_frequency: int
) -> tuple[Vocabulary, ...]:
    """Each vocabulary with the counts of another added: a new value needs a minimum frequency."""
    grown = []
    for old, new in zip(before, newer, strict=True):
        added = new.table.filter(
            (pl.col(COUNT) >= minimum_frequency) | pl.col(VALUE).is_in(old.table[VALUE].implode())
        )
        both = pl.concat([old.table.select(VALUE, COUNT), added.cast({COUNT: pl.UInt32})])
        counts = both.group_by(VALUE).agg(pl.col(COUNT).sum())
        grown.append(vocabulary_of(old.name, counts, 1))
    return tuple(grown)


def _rolled(encoder: Encoder, rows: Rows) -> tuple[RolledInputs, History]:
    """The inputs of rows that roll forward, and the history after them.

    No row counts its own label.
    """
    history = encoder.history
    inputs = encoder.inputs
    rolled = RolledInputs()
    if history.counts is not None and inputs.statistics is not None:
        statistics = newer_statistics(history.counts, inputs.statistics, rows, inputs.tasks)
        counts = rolled_counts(history.counts, inputs.statistics, rows)
        rolled = RolledInputs(statistics=statistics)
        history = replace(history, counts=counts)
    if inputs.log is not None:
        after = log_after(history, inputs, rows, np.ones(rows.num_rows, dtype=np.bool_))
        rolled = replace(after.inputs, statistics=rolled.statistics)
        history = after.history
    return rolled, history
