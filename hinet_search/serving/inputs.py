"""Inputs: define what an exported model reads of a row.

Columns are named as in the study's table. Labels, split and outcomes are not among them.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from math import isfinite
from typing import Annotated, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, LEFT_OUT_IF_NONE, Frozen, Text
from hinet_search.data.derived.events import SESSION_NAMES, event_names
from hinet_search.data.derived.matches import match_names
from hinet_search.data.derived.statistics import statistic_names
from hinet_search.data.encode import Scale
from hinet_search.data.schema import missing_name
from hinet_search.data.transforms import Wave
from hinet_search.results.cells import Cell, amount_tasks, has_task, make_cells
from hinet_search.serving.tables import Types, inner_type
from hinet_search.study.data_definition import EVERY_ROW
from hinet_search.study.event_definition import (
    EventsDefinition,
    SequenceDefinition,
    SessionDefinition,
    TimeUnit,
)
from hinet_search.study.feature_definition import (
    PARTS,
    QUANTILE,
    ListDefinition,
    MatchesDefinition,
    check_matches,
    cycle_input,
)
from hinet_search.study.statistics_definition import StatisticsDefinition
from hinet_search.study.task_definition import RankDefinition

Unit = Annotated[float, Field(gt=0, le=1.7e308)]  # the mean amount of training


class ScenarioInput(Frozen):
    """The scenario column; `values` maps each value, as text, to a scenario of the model."""

    column: Text
    values: Annotated[dict[str, Text], Field(min_length=1)]

    @property
    def names(self) -> tuple[str, ...]:
        """Scenarios in the model's order."""
        return tuple(dict.fromkeys(self.values.values()))

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that a row must have; none where every row is of the only scenario."""
        return () if self.column == EVERY_ROW else (self.column,)


class Inputs(Frozen):
    """What the model reads of a row.

    `numeric` are columns; `scales` are of all numeric inputs, derived ones included. `groups` has
    the inputs of each group that some model of a folder leaves out. `keys` are columns that are
    copied beside the scores if new rows have them. `absent_cells` are the (scenario, task) without
    a score. `amount_units` are the tasks of amounts, with the amount that a label of 1 stands for.
    Events, sessions of a `user` and sequences are made of the rows of a log before the row's
    `time`; `time_unit` is what numbers of time count, None for datetimes. They are as of the first
    row of the row's group, if `rank` is named.
    """

    scenario: ScenarioInput
    tasks: Annotated[tuple[Text, ...], Field(min_length=1)]
    categorical: tuple[Text, ...]
    numeric: tuple[Text, ...]
    scales: tuple[Scale, ...]
    statistics: StatisticsDefinition | None = None
    lists: dict[Text, ListDefinition]
    matches: MatchesDefinition | None = None
    time: Annotated[Text | None, LEFT_OUT_IF_NONE] = None
    time_unit: Annotated[TimeUnit | None, LEFT_OUT_IF_NONE] = None
    events: Annotated[EventsDefinition | None, LEFT_OUT_IF_NONE] = None
    session: Annotated[SessionDefinition | None, LEFT_OUT_IF_NONE] = None
    user: Annotated[Text | None, LEFT_OUT_IF_NONE] = None
    rank: Annotated[RankDefinition | None, LEFT_OUT_IF_NONE] = None
    sequences: Annotated[dict[Text, SequenceDefinition], LEFT_OUT_IF_EMPTY] = Field(
        default_factory=dict
    )
    groups: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)
    distinct_by_scenario: tuple[Text, ...] = ()
    not_finite: Literal["refuse", "impute"]
    keys: tuple[Text, ...]
    absent_cells: Annotated[tuple[tuple[Text, Text], ...], LEFT_OUT_IF_EMPTY] = ()
    amount_units: Annotated[dict[Text, Unit], LEFT_OUT_IF_EMPTY] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some_task_in_every_scenario(self) -> "Inputs":
        unknown = [task for task in self.amount_units if task not in self.tasks]
        if unknown:
            raise ValueError(f"amount_units must name tasks of the model, got {', '.join(unknown)}")
        for scenario, task in self.absent_cells:
            if scenario not in self.scenario.names or task not in self.tasks:
                raise ValueError(
                    "absent_cells must name a scenario and a task of the model, "
                    f"got {scenario}, {task}"
                )
        for scenario, has_task_T in zip(self.scenario.names, self.has_task, strict=True):
            if not has_task_T.any():
                raise ValueError(f"absent_cells must leave every scenario a task, not {scenario}")
        return self

    @model_validator(mode="after")
    def _distinct(self) -> "Inputs":
        names_of = {
            "tasks": self.tasks,
            "categorical, numeric": (*self.categorical, *self.numeric),
            "scales": self.scaled,
            "keys": self.keys,
        }
        for key, names in names_of.items():
            twice = ", ".join(sorted({name for name in names if names.count(name) > 1}))
            if twice:
                raise ValueError(f"{key} must name everything once, got twice: {twice}")
        return self

    @model_validator(mode="after")
    def _scales_of_numbers(self) -> "Inputs":
        difference = {*self.numeric, *self.derived} ^ {scale.column for scale in self.scales}
        if difference:
            raise ValueError(
                "scales must be of every numeric input and of nothing else, got a difference in "
                f"{', '.join(sorted(difference))}"
            )
        for scale in self.scales:
            _check_range(scale)
            if scale.transform is not None and scale.column not in self.numeric:
                raise ValueError(
                    f"scales of '{scale.name}', which is derived, must have no transform"
                )
            if isinstance(scale.transform, Wave):
                _check_wave(scale, scale.transform, self.scales)
        return self

    @model_validator(mode="after")
    def _parts_of_lists_and_sequences(self) -> "Inputs":
        for name, list_ in self.lists.items():
            if list_.item and list_.pooled and list_.item not in self.categorical:
                raise ValueError(
                    f"list {name}: item '{list_.item}' must be one of the categorical inputs"
                )
        tasks = set(self.tasks) - set(self.amount_units)
        names = [*self.categorical, *self.scaled, *self.lists]
        for name, sequence in self.sequences.items():
            wrong = {*sequence.items} - {*self.categorical} | {*sequence.labels} - tasks
            if wrong:
                raise ValueError(
                    f"sequence {name} must be of categorical inputs and of tasks of 0 and 1, got "
                    f"{', '.join(sorted(wrong))}"
                )
            parts = sequence.part_names(name)
            repeated = sorted({*parts} & {*names})
            if repeated:
                raise ValueError(
                    "sequences must give every input another name, got twice: "
                    f"{', '.join(repeated)}"
                )
            names += parts
        return self

    @model_validator(mode="after")
    def _time_of_the_log(self) -> "Inputs":
        follows_log = self.events is not None or self.session is not None or bool(self.sequences)
        has_visits = self.rank is not None and self.rank.visit is not None
        if (follows_log or has_visits) != (self.time is not None):
            raise ValueError("time must be named for events, sessions, sequences and visits alone")
        if (self.session is not None or has_visits) and self.user is None:
            raise ValueError("user must be named for sessions and visits")
        return self

    @model_validator(mode="after")
    def _groups_of_inputs(self) -> "Inputs":
        unknown = sorted(set(self.distinct_by_scenario) - set(self.compared))
        if unknown:
            raise ValueError(f"distinct_by_scenario must name inputs, got {', '.join(unknown)}")
        flags = (missing_name(scale.column) for scale in self.scales if scale.flagged)
        known = {*self.categorical, *self.scaled, *flags, *self.lists}
        for name, sequence in self.sequences.items():
            known.update(sequence.part_names(name))
        for group, names in self.groups.items():
            unknown = sorted(set(names) - known)
            if unknown:
                raise ValueError(f"group {group} must name inputs, got {', '.join(unknown)}")
        return self

    @property
    def has_task(self) -> NDArray[np.bool_]:
        """Whether a scenario has a task (M, T)."""
        return has_task(self.scenario.names, self.tasks, self.absent_cells)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that have a score, with scenarios in the outer loop."""
        return make_cells(self.scenario.names, self.tasks, self.absent_cells, self.amount_units)

    @property
    def is_amount(self) -> NDArray[np.bool_]:
        """Whether the labels of a task are amounts (T,)."""
        return amount_tasks(self.tasks, self.amount_units)

    @property
    def units(self) -> NDArray[np.float64]:
        """What a label of 1 stands for, by task (T,): an amount in the unit of its column, or 1."""
        return np.array([self.amount_units.get(task, 1.0) for task in self.tasks])

    @property
    def predicted(self) -> str:
        """What the model gives, in a word: probabilities, or predictions if some are amounts."""
        return "predictions" if self.amount_units else "probabilities"

    @property
    def clock(self) -> str | None:
        """The column of days of label statistics, if they have one."""
        return None if self.statistics is None else self.statistics.clock

    @property
    def scaled(self) -> tuple[str, ...]:
        """Names of the numeric inputs, without flags."""
        return tuple(scale.name for scale in self.scales)

    @property
    def ranked(self) -> tuple[str, ...]:
        """Columns whose transform is `quantile`, which needs a table of knots."""
        return tuple(scale.name for scale in self.scales if scale.transform == QUANTILE)

    @property
    def rolls_statistics(self) -> bool:
        """Whether label statistics are counted again after training."""
        return self.statistics is not None and not self.statistics.is_frozen

    @property
    def reads_log(self) -> bool:
        """Whether some inputs are made of the rows of a log."""
        return self.statistics is not None or self.time is not None

    @property
    def rolls(self) -> bool:
        """Whether some inputs change with the rows after training."""
        return self.rolls_statistics or self.time is not None

    @cached_property
    def derived(self) -> tuple[str, ...]:
        """Names of the numeric inputs that are derived from labels, lists and the log."""
        names: list[str] = []
        if self.statistics is not None:
            names += statistic_names(self.statistics, self.tasks)
        if self.matches is not None:
            check_matches(self.matches, self.lists)
            names += match_names(self.matches)
        if self.events is not None:
            names += event_names(self.events, self.tasks)
        if self.session is not None:
            names += SESSION_NAMES
        return tuple(names)

    @property
    def vocabularies(self) -> tuple[str, ...]:
        """The field or list of every vocabulary, categorical fields first."""
        own = (name for name, list_ in self.lists.items() if list_.item is None)
        return (*self.categorical, *own, *self.numbered)

    @property
    def numbered(self) -> tuple[str, ...]:
        """Labels and gaps of sequences, whose values are numbers of their own."""
        names: list[str] = []
        for name, sequence in self.sequences.items():
            names += sequence.part_names(name)[len(sequence.items) :]
        return tuple(names)

    def encoded_types(self, types: Types) -> dict[str, pl.DataType]:
        """The types of encoded values: ids that are distinct by scenario are texts."""
        return {**types, **dict.fromkeys(self.distinct_by_scenario, pl.String())}

    def type_of_entries(self, list_: ListDefinition, types: Types) -> pl.DataType:
        """The type of a list's entries, by the types of the columns."""
        if list_.separator is None:
            return inner_type(types[list_.column])
        return types[list_.item] if list_.item is not None else pl.String()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        return tuple(dict.fromkeys([*self.compared, *self.numeric]))

    @property
    def compared(self) -> tuple[str, ...]:
        """Columns whose values are compared with training rows, and need their types."""
        columns = [*self.scenario.columns, *self.categorical, *self.columns_of_log]
        for list_ in self.lists.values():
            columns.append(list_.column)
            if list_.separator and list_.item:  # entries of texts are cast to the type of the item
                columns.append(list_.item)
        if self.matches is not None:
            columns += self.matches.by
            columns += [self.lists[name].own_item for name in self.matches.similarity]
        return tuple(dict.fromkeys(columns))

    @property
    def columns_of_log(self) -> tuple[str, ...]:
        """The columns that a row of the log has, beside its scenario and its labels."""
        columns: list[str] = []
        if self.statistics is not None:
            columns += chain.from_iterable(self.statistics.keys)
            if self.statistics.clock:
                columns.append(self.statistics.clock)
        if self.events is not None:
            columns += chain.from_iterable(self.events.keys)
        if self.user is not None:
            columns.append(self.user)
        if self.rank is not None:
            columns += self.rank.group or ()
        for sequence in self.sequences.values():
            columns += sequence.columns
        if self.time is not None:
            columns.append(self.time)
        return tuple(dict.fromkeys(columns))


def _check_range(scale: Scale) -> None:
    """ValueError unless mean, spread and the range of `clip` are finite and in order."""
    if not (isfinite(scale.mean) and isfinite(scale.spread) and scale.spread >= 0):
        raise ValueError(
            f"scales of '{scale.name}' must be a finite mean and a finite spread >= 0, "
            f"got {scale.mean} and {scale.spread}"
        )
    if scale.clip is None:
        return
    low, high = scale.clip
    if not (isfinite(low) and isfinite(high) and low < high):
        raise ValueError(
            f"clip of '{scale.name}' must be [LOW, HIGH] with LOW < HIGH, got {list(scale.clip)}"
        )


def _check_wave(scale: Scale, wave: Wave, scales: Sequence[Scale]) -> None:
    """ValueError unless a cycle is positive and has both of its inputs."""
    parts = [cycle_input(wave.column, part) for part in PARTS]
    named = [each.name for each in scales if each.column == wave.column]
    if named != parts or scale.name != cycle_input(wave.column, wave.part):
        raise ValueError(
            f"scales of the cycle of '{wave.column}' must be {' and '.join(parts)}, "
            f"got {', '.join(named)}"
        )
    if not (isfinite(wave.cycle) and wave.cycle > 0):
        raise ValueError(f"the cycle of '{wave.column}' must be > 0, got {wave.cycle}")
