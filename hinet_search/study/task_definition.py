"""Task definition: the label of a task, and the rows that a ranking orders together."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from hinet_search.common.errors import did_you_mean
from hinet_search.common.frozen_model import LEFT_OUT_IF_NONE, Frozen, Text
from hinet_search.study.event_definition import Gap


class TaskDefinition(Frozen):
    """A label. At most one rule defines a 1; without a rule the column must hold only 0 and 1.

    `kind: amount` is for a column of amounts, such as seconds or prices: numbers of at least 0. Of
    a larger amount than `at_most` only that much counts. `scenarios` names the scenarios that have
    the task, by their display names; by default all. In the rows of the others nothing is read of
    the column.
    """

    column: Text
    equals: bool | int | str | None = None
    above: float | None = None
    at_least: float | None = None
    kind: Annotated[Literal["amount"] | None, LEFT_OUT_IF_NONE] = None
    at_most: Annotated[
        Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, LEFT_OUT_IF_NONE
    ] = None
    scenarios: tuple[Text, ...] | None = None

    @field_validator("scenarios", mode="before")
    @classmethod
    def _numbers_are_names(cls, names: Any) -> Any:
        """Numbers are the names of scenarios without `values`."""
        if not isinstance(names, list | tuple):
            return names
        return tuple(str(name) if type(name) is int else name for name in names)

    @field_validator("scenarios")
    @classmethod
    def _some_scenario(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and not names:
            raise ValueError("a task must be in a scenario, got none; name one, or remove the task")
        return names

    def is_in(self, scenario: str) -> bool:
        """Whether the rows of a scenario have the task."""
        return self.scenarios is None or scenario in self.scenarios

    @model_validator(mode="after")
    def _one_rule(self) -> "TaskDefinition":
        if sum(rule is not None for rule in (self.equals, self.above, self.at_least)) > 1:
            raise ValueError("a task needs at most one of 'equals', 'above', 'at_least'")
        if self.is_amount and any(
            rule is not None for rule in (self.equals, self.above, self.at_least)
        ):
            raise ValueError(
                "'equals', 'above' and 'at_least' say which values are a 1, but a task of kind "
                "amount takes the values as they are; remove the rule, or the kind"
            )
        if self.at_most is not None and not self.is_amount:
            raise ValueError("'at_most' limits amounts; write 'kind: amount' too, or remove it")
        return self

    @property
    def is_amount(self) -> bool:
        """Whether the labels are amounts, not 0 and 1."""
        return self.kind == "amount"


def task_problems(tasks: Mapping[str, TaskDefinition], scenarios: Sequence[str]) -> list[str]:
    """Report tasks of unknown scenarios, and scenarios without a task; `scenarios` are all."""
    problems = []
    for name, task in tasks.items():
        for unknown in dict.fromkeys(task.scenarios or ()):
            if unknown not in scenarios:
                hint = did_you_mean(unknown, scenarios)
                place = f"data.tasks.{name}.scenarios"
                problems.append(f"{place}: must name scenarios, got '{unknown}'{hint}")
    for scenario in scenarios:
        if not any(task.is_in(scenario) for task in tasks.values()):
            problem = f"every scenario must have a task, got none for '{scenario}'"
            remedy = "add it to 'scenarios' of a task, or leave it out of data.scenario.values"
            problems.append(f"data.tasks: {problem}; {remedy}")
    return problems


def _as_columns(value: object) -> object:
    return [value] if isinstance(value, str) else value


Columns = Annotated[tuple[Text, ...], BeforeValidator(_as_columns), Field(min_length=1)]


class RankDefinition(Frozen):
    """The rows that a ranking orders together: a `group`, or a `visit` of a user.

    A group is the rows of one user that have the same values in its columns, such as a request. A
    visit ends when more than that time passes until the user's next row; it needs `user` and
    `time`. Metrics within groups compare rows of one group, and a loss of pairs takes its pairs
    there.

    By `as_of: group`, statistics, events, sessions and sequences of all rows of a group are as of
    its first row: what is counted inside the group cannot order it, and would tell labels of the
    group to a loss or a search that looks at groups. `row` lets them go on inside the group.
    """

    group: Annotated[Columns | None, LEFT_OUT_IF_NONE] = None
    visit: Annotated[Gap | None, LEFT_OUT_IF_NONE] = None
    as_of: Literal["group", "row"] = "group"

    @model_validator(mode="after")
    def _either(self) -> "RankDefinition":
        if (self.group is None) == (self.visit is None):
            raise ValueError(
                "rank must have 'group', the columns of a request, or 'visit', the longest pause "
                "within a visit such as 30m, and not both"
            )
        return self

    @property
    def in_words(self) -> str:
        """What a group is: `user_id x request_id`, `visits with pauses up to 30m`."""
        if self.group is not None:
            return " x ".join(self.group)
        return f"visits with pauses up to {self.visit}"
