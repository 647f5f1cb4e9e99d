"""Prepare: encode the rows of a definition into a cache folder, once per fingerprint.

Memory holds a block of the rows at a time; arrays of all rows are mapped from files in the cache.
Shape legend: R rows of the study, B rows of a block, V distinct users.
"""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.data.cell_counts import (
    cell_problems,
    count_cells,
    timeline_of,
    weighted_cell_problems,
)
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.derived.inputs import (
    EncodedLists,
    derive_numbers,
    encode_lists,
    fit_list_vocabularies,
    input_groups,
    with_sequences,
)
from hinet_search.data.derived.rank_groups import count_groups, with_rank_groups
from hinet_search.data.derived.sequences import sequence_vocabularies
from hinet_search.data.encode import (
    Encoding,
    TrainingRows,
    encode_ids,
    encode_numbers,
    fit_encoding,
)
from hinet_search.data.encoded_folder import (
    Encoded,
    damage,
    is_complete,
    open_dataset,
    save,
    size_of,
)
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.inspect.group_order import order_warnings
from hinet_search.data.inspect.unseen import duplicate_warnings, unseen_shares, unseen_warnings
from hinet_search.data.labels import RowWeights, read_weights
from hinet_search.data.numbers import limit_problems, squash_warning
from hinet_search.data.reading import raise_problems
from hinet_search.data.row_hashes import row_hashes
from hinet_search.data.rows import Rows, read_rows
from hinet_search.data.sample import frequencies_of_all, of_sample, raise_of_sample, with_sample
from hinet_search.data.source_rows import target_folder
from hinet_search.data.transforms import inputs_of
from hinet_search.results.data_record import CellCount, DataRecord
from hinet_search.study.data_definition import DataDefinition, split_in_words

LARGE_BYTES = 2**30  # of encoded data; progress says when so much is read
MAX_NAMED = 3
TRAIN, VALID, TEST = range(len(SPLITS))


def prepare(
    definition: DataDefinition,
    folder: Path,
    cache: Path,
    progress: Callable[[str], None],
    share: float = 1.0,
) -> Dataset:
    """The encoded data of a definition, read from `cache/FINGERPRINT` or encoded into it.

    `folder` is the folder of the study, `share` the share of users whose rows are encoded; all rows
    are read, checked and counted. DataError holds every problem of the data; nothing is written
    then.
    """
    contents = FileHasher(cache, progress)
    target = target_folder(definition, folder, contents, share)
    if not _is_encoded(target, progress):
        progress(f"reading {definition.source.in_words}")
        rows = with_sample(read_rows(definition, folder, cache), definition, share)
        # A file may also be as it was again: then other rows may have been read in between.
        if target_folder(definition, folder, contents, share) != target or contents.changed:
            names = ", ".join(map(str, contents.changed[:MAX_NAMED]))
            what = f"{names} changed" if names else "files were added or removed"
            raise DataError(
                f"data.source: rows must stay as they are while they are read, but {what}",
                remedy="run the command again when nothing writes to them",
            )
        chosen = of_sample(rows)
        cells = count_cells(chosen, tuple(definition.tasks))
        errors, warnings = cell_problems(cells)
        raise_of_sample(errors, rows.sample)
        if rows.sample is not None:
            warnings = [f"{warning}; a larger sample may have them" for warning in warnings]
        if definition.weight is not None:
            raise_of_sample(weighted_cell_problems(chosen, cells, definition.weight), rows.sample)
        progress(f"encoding {chosen.num_rows:,} rows")
        _encode(definition, rows, chosen, target, cells, warnings)
    return open_dataset(target)


def _is_encoded(target: Path, progress: Callable[[str], None]) -> bool:
    """Whether the encoded data exist undamaged; progress says what is wrong with a folder."""
    if not target.exists():
        return False
    num_bytes = size_of(target) if is_complete(target) else 0
    if num_bytes > LARGE_BYTES:
        progress(f"checking {num_bytes / 1e9:.1f} GB of encoded data")
    damaged = damage(target)
    if damaged:
        progress(f"encoding again, as {target} is damaged: {damaged}")
    return not damaged


def reopen(folder: Path) -> Dataset:
    """Open the data of a running study in one of its jobs.

    EnvironmentFault when they are missing or damaged: they were there when the study began.
    """
    try:
        return open_dataset(folder)
    except DataError as error:
        raise EnvironmentFault(
            f"{platform.node()}: {error.problems[0]}", remedy=error.remedy
        ) from error


def _encode(
    definition: DataDefinition,
    all_rows: Rows,
    rows: Rows,
    target: Path,
    cells: tuple[CellCount, ...],
    warnings: list[str],
) -> None:
    """Encode the `rows` of the sample; what is derived from other rows is so from `all_rows`."""
    features = definition.features
    # Before derived inputs are added: these depend on the split.
    test_rows = row_hashes(definition, rows)
    duplicates = duplicate_warnings(definition, rows)
    all_rows = with_rank_groups(
        definition, all_rows.with_distinct_ids(features.distinct_by_scenario)
    )
    began = perf_counter()
    derived = derive_numbers(definition, all_rows)
    seconds = perf_counter() - began
    derived_names = [*chain.from_iterable(table.columns for table in derived.values())]
    for table in derived.values():
        all_rows = all_rows.with_columns(table)
    rows = of_sample(all_rows)
    is_train_R = rows.mapped(rows.split_R[block] == TRAIN for block in rows.blocks())
    weights = None
    if definition.weight is not None:
        weights = read_weights(rows.frame[definition.weight], is_train_R, rows.cache)
    train = TrainingRows(rows.frame, pl.Series(is_train_R), rows.cache)
    encoding = fit_encoding(train, features, definition.minimum_frequency, derived_names)
    of_lists = fit_list_vocabularies(
        features.lists, rows.listed, is_train_R, definition.minimum_frequency
    )
    of_sequences = sequence_vocabularies(features.sequences)
    encoding = replace(encoding, list_vocabularies=(*of_lists, *of_sequences))
    raise_problems(_too_far(rows, encoding, features.numeric))
    lists = encode_lists(features.lists, rows.listed, encoding)
    began = perf_counter()
    lists = with_sequences(lists, definition, all_rows, encoding)
    seconds += perf_counter() - began
    is_derived = bool(derived or features.sequences)
    groups = input_groups(features, derived, encoding)
    record = replace(
        _data_record(definition, all_rows, cells, target.name),
        rows=rows.num_rows_of_splits,
        warnings=(
            *rows.notes,
            *warnings,
            *(weights.warnings if weights else ()),
            *_squash_warnings(train, encoding, features.numeric),
            *duplicates,
            *order_warnings(definition, all_rows, derived),
            *unseen_warnings(unseen_shares(rows, encoding, VALID), features.categorical),
        ),
        groups={name: len(inputs) for name, inputs in groups.items()},
        test_rows=test_rows,
        weights=weights.record if weights else None,
        ranked=count_groups(rows, tuple(definition.tasks)),
        timeline=timeline_of(definition, rows),
    )
    blocks = _blocks(rows, encoding, lists, _user_codes(definition, rows), weights)
    save(
        target,
        Encoded(
            blocks,
            encoding,
            lists.fields,
            groups,
            record,
            derived_seconds=round(seconds, 3) if is_derived else None,
            sequences=lists.sequences,
            frequencies_of_all=frequencies_of_all(all_rows, encoding, record),
        ),
    )


def _data_record(
    definition: DataDefinition, rows: Rows, cells: tuple[CellCount, ...], fingerprint: str
) -> DataRecord:
    """Return what is known of the data before they are encoded."""
    tasks = tuple(definition.tasks)
    return DataRecord(
        source=definition.source.in_words,
        fingerprint=fingerprint,
        split=split_in_words(definition.split),
        rows=rows.num_rows_of_splits,
        sample=rows.sample.record if rows.sample else None,
        scenarios=rows.scenarios,
        tasks=tasks,
        num_categorical=len(definition.features.categorical),
        num_numeric=len(definition.features.numeric),
        cells=cells,
        units={tasks[number]: unit for number, unit in rows.units.items()},
    )


def _blocks(
    rows: Rows,
    encoding: Encoding,
    lists: EncodedLists,
    user_R: NDArray[np.int32],
    weights: RowWeights | None,
) -> Iterator[tuple[Columns, ...]]:
    """Encode blocks of rows, each divided by split, so that memory holds one block at a time."""
    for block in rows.blocks():
        split_R = rows.split_R[block]
        frame = rows.frame[block]
        columns = Columns(
            ids_RF=encode_ids(frame, encoding),
            numeric_RN=encode_numbers(frame, encoding),
            scenario_R=rows.scenario_R[block],
            labels_RT=rows.labels_RT[block],
            user_R=user_R[block],
            lists_RS=lists.slots(block, split_R.size),
            weight_R=weights.weight_R[block] if weights else None,
            group_R=rows.groups.first_R[block] if rows.groups else None,
        )
        yield tuple(columns.where(split_R == split) for split in range(len(SPLITS)))


def _too_far(rows: Rows, encoding: Encoding, numeric: Sequence[str]) -> list[str]:
    """Report values of numeric features, in any split, too far from train for float32."""
    problems: list[str] = []
    for scale in encoding.scales:
        if scale.column in numeric and scale.clip is None:
            problems += limit_problems(
                rows.frame[scale.column], scale.limits, rows.row_R, usable_only=True
            )
    return problems


def _squash_warnings(train: TrainingRows, encoding: Encoding, numeric: Sequence[str]) -> list[str]:
    warnings = []
    for scale in encoding.scales:
        if scale.name in numeric:  # not the inputs of a cycle, which have no outliers
            number_R = train.numbers(scale.name, scale.clip)
            knots = encoding.knots.get(scale.column)
            input_R = inputs_of(number_R, scale.transform, knots, train.cache)
            warnings.append(
                squash_warning(scale.name, number_R, input_R, scale.mean, scale.spread, train.cache)
            )
    return [warning for warning in warnings if warning]


def _user_codes(definition: DataDefinition, rows: Rows) -> NDArray[np.int32]:
    """Dense user codes from 0 in order of the user ids; -1 where a row has no user.

    Without a column of users, the rows of a group of the ranking are one user's.
    """
    if definition.user is None and rows.groups is not None:
        return rows.groups.first_R
    if definition.user is None:
        return np.broadcast_to(np.int32(-1), rows.num_rows)
    users = rows.frame[definition.user]
    distinct = users.to_frame().lazy().unique().collect(engine="streaming").to_series()
    user_V = distinct.drop_nulls().sort()
    code_V = pl.Series(np.arange(len(user_V), dtype=np.int32))

    def codes(block: slice) -> NDArray[np.int32]:
        values = users[block]
        return values.replace_strict(user_V, code_V, default=-1, return_dtype=pl.Int32).to_numpy()

    return rows.mapped(map(codes, rows.blocks()))
