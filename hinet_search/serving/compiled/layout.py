"""Layout: compiled.json, which says what the graphs of a folder take and give, for any language.

compiled/compiled.json        this file
compiled/score.py             a reader in Python, if there are ONNX graphs
compiled/FORMAT/scenario.M.*  the graph of scenario number M
compiled/FORMAT/mixed.*       the graph of rows of any scenarios
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from hinet_search.common.errors import DataError
from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, Frozen, Text
from hinet_search.data.encode import Scale
from hinet_search.data.transforms import Wave
from hinet_search.serving.choice import GraphChoice, Weights
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.inputs import Inputs, Unit
from hinet_search.serving.model_file import KNOTS
from hinet_search.serving.sealed import AGAIN, file_hash
from hinet_search.study.feature_definition import QUANTILE

COMPILED = "compiled"
LAYOUT = "compiled.json"
MIXED = "mixed"
IDS = "ids"
NUMBERS = "numbers"
LISTS = "lists"
SCENARIO = "scenario"
INPUTS = (IDS, NUMBERS, LISTS)  # of the graph of a scenario; that of mixed rows has SCENARIO too
MAX_BYTES = 100_000_000

Size = Annotated[int, Field(ge=0, le=1_000_000_000)]
Number = Annotated[float, Field(ge=-1.7e308, le=1.7e308)]


class EncodedColumn(Frozen):
    """A column of categories, which every scenario numbers for itself if they are distinct."""

    column: Text
    distinct_by_scenario: bool


class EncodedField(Frozen):
    """A column of `ids`: an id is the place of a value in `vocabulary`, from 1; 0 is unknown."""

    column: Text
    vocabulary: Text
    distinct_by_scenario: bool


class EncodedNumber(Frozen):
    """A column of `numbers`: (transformed - mean) / spread, 0 where `spread` is 0.

    With `flagged`, a further column that is 1 where a value is missing comes after all numbers.
    """

    column: Text
    clip: tuple[Number, Number] | None
    transform: Literal["log", "quantile", "sin", "cos"] | None
    cycle: Number | None = None
    knots: Text | None = None
    mean: Number
    spread: Number
    flagged: bool


class EncodedList(Frozen):
    """`length` columns of `lists`: the known ids among the first `length` entries, then 0."""

    column: Text
    separator: str | None
    vocabulary: Text
    length: Size


class GraphLayout(Frozen):
    """Content of compiled.json.

    `scenarios` are in the order of their numbers; `values` maps the text of each value of
    `scenario_column` to one of them; it is empty where every row is of the only scenario.
    `not_encoded` names inputs that are made of labels or lists of earlier rows, or of these rows
    themselves, which the tables here do not tell. `reads_tables` is false if there are any, or if
    the reader did not encode test rows alike. `absent_cells` are the (scenario, task) without a
    prediction: graphs give NaN there. `amount_units` are the tasks of amounts, with the mean amount
    of training; graphs give the expected amount of these, and P(task = 1) of others. `weights` are
    those of the embeddings. `files` has the SHA-256 of every other file.
    """

    format: Literal[1]
    tasks: tuple[Text, ...]
    scenarios: tuple[Text, ...]
    formats: Annotated[tuple[Text, ...], Field(min_length=1)]
    weights: Weights = "fp32"
    num_ids: Size
    num_numbers: Size
    num_slots: Size
    scenario_column: str
    values: dict[Text, Text]
    ids: tuple[EncodedField, ...]
    numbers: tuple[EncodedNumber, ...]
    lists: tuple[EncodedList, ...]
    not_finite: Literal["refuse", "impute"]
    not_encoded: tuple[Text, ...]
    reads_tables: bool
    files: dict[Text, Text]
    absent_cells: Annotated[tuple[tuple[Text, Text], ...], LEFT_OUT_IF_EMPTY] = ()
    amount_units: Annotated[dict[Text, Unit], LEFT_OUT_IF_EMPTY] = Field(default_factory=dict)

    @property
    def graphs(self) -> tuple[str, ...]:
        """The names of the graphs: of every scenario, then of mixed rows."""
        return (*(f"scenario.{number}" for number in range(len(self.scenarios))), MIXED)


def layout_of(encoder: Encoder, graphs: GraphChoice) -> GraphLayout:
    """The layout of an encoder's graphs, which are yet to be written."""
    inputs = encoder.inputs
    schema = encoder.schema
    not_encoded = [scale.name for scale in inputs.scales if scale.column not in inputs.numeric]
    not_encoded += [sequence.name for sequence in schema.sequences]
    ids = [_field(number, name, encoder) for number, name in enumerate(inputs.categorical)]
    lists = []
    for pooled in schema.pooled_lists:
        definition = inputs.lists[pooled.name]
        lists.append(
            EncodedList(
                column=definition.column,
                separator=definition.separator,
                vocabulary=f"vocabulary.{pooled.field}",
                length=pooled.length,
            )
        )
    return GraphLayout(
        format=1,
        tasks=inputs.tasks,
        scenarios=inputs.scenario.names,
        formats=graphs.formats,
        weights=graphs.weights,
        num_ids=schema.num_fields,
        num_numbers=len(schema.numeric),
        num_slots=schema.num_slots,
        scenario_column="".join(inputs.scenario.columns),
        values=inputs.scenario.values,
        ids=tuple(ids),
        numbers=tuple(_number(scale, inputs) for scale in inputs.scales),
        lists=tuple(lists),
        not_finite=inputs.not_finite,
        not_encoded=tuple(not_encoded),
        reads_tables=not not_encoded,
        files={},
        absent_cells=inputs.absent_cells,
        amount_units=inputs.amount_units,
    )


def _field(number: int, name: str, encoder: Encoder) -> EncodedField:
    inputs = encoder.inputs
    return EncodedField(
        column=name,
        vocabulary=f"vocabulary.{number}",
        distinct_by_scenario=name in inputs.distinct_by_scenario,
    )


def _number(scale: Scale, inputs: Inputs) -> EncodedNumber:
    wave = scale.transform
    transform = wave.part if isinstance(wave, Wave) else wave
    cycle = wave.cycle if isinstance(wave, Wave) else None
    knots = None
    if transform == QUANTILE:
        knots = f"{KNOTS}.{inputs.ranked.index(scale.column)}"
    return EncodedNumber(
        column=scale.column,
        clip=scale.clip,
        transform=transform,
        cycle=cycle,
        knots=knots,
        mean=scale.mean,
        spread=scale.spread,
        flagged=scale.flagged,
    )


def written_files(folder: Path) -> list[str]:
    """The paths of all files of a folder but compiled.json."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name != LAYOUT)


def hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of those of these files that are in a folder."""
    return {name: file_hash(folder / name) for name in names if (folder / name).is_file()}


def read_layout(folder: Path) -> GraphLayout:
    """Read compiled.json; DataError if it is missing or damaged."""
    path = folder / LAYOUT
    if not path.is_file():
        raise DataError(
            f"{folder}: must hold graphs, but has no {LAYOUT}",
            remedy="hinet-search export STUDY/NAME -o FOLDER --format onnx",
        )
    with path.open("rb") as file:
        content = file.read(MAX_BYTES)
    try:
        return GraphLayout.model_validate_json(content)
    except ValidationError as error:
        raise DataError(f"{path}: must describe graphs, but is damaged", remedy=AGAIN) from error


def check_files(folder: Path, layout: GraphLayout, kind: str) -> None:
    """DataError unless the reader and the graphs of a format are as exported."""
    wanted = {name for name in layout.files if "/" not in name or name.startswith(f"{kind}/")}
    found = hashes(folder, wanted)
    wrong = sorted(name for name in wanted if found.get(name) != layout.files[name])
    if wrong:
        raise DataError(
            f"{folder}: {', '.join(wrong)} must be as exported, but has changed or is missing",
            remedy=AGAIN,
        )
