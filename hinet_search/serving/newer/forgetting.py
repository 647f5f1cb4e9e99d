"""Forgetting: an exported model's encoder without the ids that no row has had for some days.

What is forgotten is unknown again: its vectors, its label counts and its part of the log go.
Shape legend: R newer rows, V ids of a vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.columns import Columns
from hinet_search.data.derived.days import BEFORE_ALL
from hinet_search.data.derived.forgotten import Forgotten, counts_without, log_without
from hinet_search.data.encode import LAST_DAY, VALUE, Vocabulary
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import History
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.last_days import last_days_of, stored_days, with_last_days
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.newer.rows import NewerRows

MOST_DAYS = 36_500
Ids = NDArray[np.int32]


def refuse_days(exported: ExportedModel, forget_after: int | None) -> None:
    """ConfigurationError for days out of range, and for a model whose rows have no time."""
    if forget_after is None:
        return
    if not 1 <= forget_after <= MOST_DAYS:
        raise ConfigurationError(
            f"forget_after must be 1 to {MOST_DAYS:,} days, got {forget_after}"
        )
    if exported.file.rows.time is None and exported.encoder.inputs.clock is None:
        raise ConfigurationError(
            f"{exported.folder}: must be of rows with a time, so that ids can be forgotten that no "
            "row has had for some days, but its study names none",
            remedy="leave out --forget-after, or name data.time, launch and export again",
        )


def refuse_strange_days(encoder: Encoder, newer: NewerRows, forget_after: int) -> None:
    """DataError if the days of rows are not known, or so late that all other ids would go."""
    if newer.day_R is None:
        raise DataError(
            f"{newer.path}: times must be dates or datetimes, or numbers of which the study says "
            "how many make a day, so that ids can be forgotten after days, but are not",
            remedy="leave out --forget-after; or write datetimes, or name data.time_unit, launch "
            "and export again",
        )
    stored = [stored_days(each).max() for each in encoder.encoding.all_vocabularies]
    newest = max(stored, default=BEFORE_ALL)
    later = int(newer.day_R.min()) - int(newest)
    if newest != BEFORE_ALL and later > forget_after:
        raise DataError(
            f"{newer.path}: rows must begin at most {forget_after:,} days after the last ones that "
            f"the model knows, or all ids go that they have not, but begin {later:,} days after",
            remedy="check the times; else give the rows of the days between, more days of "
            "--forget-after, or leave it out",
        )


def with_newer_days(
    before: Encoder, grown: Encoder, previous_ids: Sequence[Ids], columns: Columns, newer: NewerRows
) -> Encoder:
    """The grown encoder with the last days of its ids, of which newer rows have these columns.

    An id whose last day is not known counts as seen today.
    """
    vocabularies = before.encoding.all_vocabularies
    stored = zip(vocabularies, previous_ids, strict=True)
    last = [stored_days(vocabulary)[previous_V] for vocabulary, previous_V in stored]
    if newer.day_R is not None:
        seen = last_days_of([(columns, newer.day_R)], grown.schema)
        last = [np.maximum(*both) for both in zip(last, seen, strict=True)]
        last = [np.where(day_V == BEFORE_ALL, newer.today, day_V) for day_V in last]
    named = dict(zip(grown.inputs.vocabularies, last, strict=True))
    return replace(grown, encoding=with_last_days(grown.encoding, grown.inputs.numbered, named))


def without_unseen(encoder: Encoder, today: int, days: int) -> tuple[Encoder, list[Ids]]:
    """The encoder without ids unseen for so many days, and the ids (V,) that its ids had."""
    encoding = encoder.encoding
    kept_ids = []
    kept = []
    for each in encoding.all_vocabularies:
        is_kept_V = np.ones(each.size, dtype=np.bool_)
        if LAST_DAY in each.table.columns:
            is_kept_V[1:] = stored_days(each)[1:] >= today - days
        kept_ids.append(np.flatnonzero(is_kept_V).astype(np.int32))
        kept.append(replace(each, table=each.table.filter(pl.Series(is_kept_V[1:]))))
    num_fields = len(encoding.vocabularies)
    after = replace(
        encoding,
        vocabularies=tuple(kept[:num_fields]),
        list_vocabularies=tuple(kept[num_fields:]),
    )
    forgotten = Forgotten(
        known={each.name: each.table[VALUE] for each in after.vocabularies},
        gone=dict(_gone(encoding.vocabularies, after.vocabularies)),
        days=days,
    )
    history = _history_without(encoder.history, encoder.inputs, forgotten)
    return replace(encoder, encoding=after, history=history), kept_ids


def _gone(
    before: Sequence[Vocabulary], after: Sequence[Vocabulary]
) -> Iterator[tuple[str, pl.Series]]:
    """Yield the values of every field whose id is gone."""
    for old, new in zip(before, after, strict=True):
        yield old.name, old.table.join(new.table, on=VALUE, how="anti")[VALUE]


def _history_without(history: History, inputs: Inputs, forgotten: Forgotten) -> History:
    if history.counts is not None and inputs.statistics is not None:
        counts = counts_without(history.counts, inputs.statistics, forgotten)
        history = replace(history, counts=counts)
    if history.log is not None:
        history = replace(history, log=log_without(history.log, forgotten))
    return history
