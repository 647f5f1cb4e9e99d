"""History: what labels and lists of a study's rows say, as it is kept with an exported model.

It ends where the study's known data end, and new rows do not add to it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from hinet_search.data.counts import LabelCounts, label_counts, later_statistics
from hinet_search.data.lists import ListedRows
from hinet_search.data.matches import KnownMatches, counted_pairs, known_of, match_numbers, usual_pairs
from hinet_search.data.rows import Rows
from hinet_search.data.similarity import ItemFactors
from hinet_search.data.statistics import EVERYONE
from hinet_search.definition import DataDefinition
from hinet_search.serving.inputs import Inputs

DAYS, DAY, ITEM = "days", "day", "item"

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class History:
    """What the inputs that are made of others need; None where the model has no such inputs."""

    counts: LabelCounts | None = None
    matches: KnownMatches | None = None

    def numbers(self, inputs: Inputs, rows: ListedRows) -> list[pl.Series]:
        """The numeric inputs that are made of labels and lists, for every row."""
        made: list[pl.Series] = []
        if self.counts is not None and inputs.statistics is not None:
            made += later_statistics(self.counts, inputs.statistics, rows.frame, inputs.tasks).get_columns()
        if self.matches is not None and inputs.matches is not None:
            made += match_numbers(self.matches, inputs.matches, inputs.lists, rows).get_columns()
        return made

    def notes(self, inputs: Inputs) -> Iterator[str]:
        """What somebody must know who serves the model, in words."""
        if self.counts is not None and inputs.statistics is not None:
            clock = inputs.statistics.clock
            yield f"Label statistics are of {self._labels_in_words(clock)}. New rows do not add to them: export again for newer labels."
            if clock is not None:
                yield f"A row counts labels of days before its own {clock}; one after the last day counts all."
        if self.matches is not None:
            yield "What is known of lists (users' entries, attributes of items) is of training rows; a row brings its own lists."

    def _labels_in_words(self, clock: str | None) -> str:
        assert self.counts is not None, "it is asked for with statistics"
        days = self.counts.days
        if clock is None or days.is_empty():
            return "training rows"
        return f"train and valid, {clock} {days[0]} to {days[-1]}, none of test"


def history_of(definition: DataDefinition, inputs: Inputs, rows: Rows) -> History:
    """What a study's rows give the inputs that are made of others."""
    return History(
        counts=label_counts(inputs.statistics, rows) if inputs.statistics is not None else None,
        matches=known_of(definition, inputs.matches, rows) if inputs.matches is not None else None,
    )


def tables_of(history: History, inputs: Inputs) -> dict[str, pl.DataFrame]:
    """The history as tables by name."""
    found: dict[str, pl.DataFrame] = {}
    if history.counts is not None and inputs.statistics is not None:
        found[DAYS] = pl.DataFrame({DAY: history.counts.days})
        found |= _numbered("statistics", [history.counts.of_keys[key] for key in (EVERYONE, *inputs.statistics.keys)])
    if history.matches is not None and inputs.matches is not None:
        known, matches = history.matches, inputs.matches
        found |= _numbered("usual", [known.usual[pair] for pair in usual_pairs(matches, inputs.lists)])
        found |= _numbered("counts", [known.counts[pair] for pair in counted_pairs(matches)])
        found |= _numbered("factors", [_as_table(known.factors[name]) for name in matches.similarity])
    return found


def history_of_tables(inputs: Inputs, read: Callable[[str], pl.DataFrame]) -> History:
    """What `tables_of` gave, back; `read` gives a table by its name."""
    counts = matches = None
    if inputs.statistics is not None:
        keys = (EVERYONE, *inputs.statistics.keys)
        counts = LabelCounts(read(DAYS)[DAY], {key: read(f"statistics.{number}") for number, key in enumerate(keys)})
    if (wanted := inputs.matches) is not None:
        usual, counted = usual_pairs(wanted, inputs.lists), counted_pairs(wanted)
        matches = KnownMatches(
            usual={pair: read(f"usual.{number}") for number, pair in enumerate(usual)},
            counts={pair: read(f"counts.{number}") for number, pair in enumerate(counted)},
            factors={name: _as_factors(read(f"factors.{number}")) for number, name in enumerate(wanted.similarity)},
        )
    return History(counts, matches)


def _numbered(name: str, tables: list[pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {f"{name}.{number}": table for number, table in enumerate(tables)}


def _as_table(factors: ItemFactors) -> pl.DataFrame:
    columns = [pl.Series(str(number), factor_I) for number, factor_I in enumerate(factors.factors_IK.T)]
    return pl.DataFrame([factors.items_I.alias(ITEM), *columns])


def _as_factors(table: pl.DataFrame) -> ItemFactors:
    return ItemFactors(table[ITEM], np.ascontiguousarray(table.drop(ITEM).to_numpy()))
