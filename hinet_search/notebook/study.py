"""Study: a study of a frame, from keywords that are the keys of a study file.

A frame of Polars, pandas or Arrow is written as a Parquet file, named by its content.
"""

from html import escape
from itertools import chain
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs
from polars.exceptions import PolarsError

from hinet_search import api
from hinet_search.common.amounts import counted
from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.common.files import replacing, writing
from hinet_search.common.quiet import say_nothing
from hinet_search.data.checks import column_problems
from hinet_search.data.fingerprint import ContentHash
from hinet_search.data.objects import flattened
from hinet_search.data.reading import reading, shorten
from hinet_search.data.sources import table as table_source
from hinet_search.data.stores import local_path
from hinet_search.notebook.study_text import (
    WHOLE,
    GivenKeys,
    given_keys,
    guess_table,
    guessed_definition,
    study_text,
    whole_definition,
    with_start,
)
from hinet_search.study.checked_call import checked_call
from hinet_search.study.launch_options import DEFAULT_OUTPUT, LaunchOptions
from hinet_search.study.load_study import ResolvedStudy, check_study_name, load_study

if TYPE_CHECKING:
    from hinet_search.results.study_record import StudyRecord
    from hinet_search.search.plan.forecast import Plan
    from hinet_search.search.progress import Watcher
    from hinet_search.serving.export import Export

FOLDER = "frames"  # in the output folder: tables and study files
ROWS_AT_ONCE = 2**18  # that are hashed together


class Study:
    """A study of a frame; docs/python.md has an example, and says what is guessed.

    `data` is a frame of Polars, pandas or Arrow, or the path or URL of a table. Keywords are the
    keys of a study and of a data definition, with the same values as in YAML.

    The frame is written once to `OUTPUT/frames`, as a Parquet file named by its content, and the
    study beside it as `NAME.yaml`, which the command line takes too. Calls run on that file, with
    the checks and messages of any other study.

    Errors: ConfigurationError for wrong keywords, as for a wrong study file; DataError for a frame
    without rows, or without columns that the definition names; EnvironmentFault if the folder
    cannot be written.
    """

    @checked_call
    def __init__(
        self, name: str, data: Any, *, output: str | PathLike[str] = DEFAULT_OUTPUT, **keys: Any
    ) -> None:
        given = given_keys(keys)
        check_study_name(name, "name")
        self.name = name
        # None for the default, so that reports are in reports/.
        self._output = None if Path(output) == DEFAULT_OUTPUT else str(output)
        self._folder = Path(output, FOLDER)
        if isinstance(data, str | PathLike):
            self._table = fspath(data)
        else:
            frame = frame_of(data)
            columns = flattened(frame.lazy(), "data").collect_schema()
            given.refuse_other_columns(columns.names())
            self._table = str(stored_table(frame, self._folder))
        cache = LaunchOptions.of_call({"output": self._output}).cache
        local_table = local_path(self._table, "data", cache, say_nothing)
        rows = table_source.scan(local_table, Path.cwd(), cache, "data")
        with reading("data"):
            self._columns = rows.collect_schema()
            self._num_rows = int(rows.select(pl.len()).collect().item())
        given.refuse_other_columns(self._columns.names())
        self._study = self._written(rows, given)

    def _written(self, rows: pl.LazyFrame, given: GivenKeys) -> ResolvedStudy:
        """Write the study file and return the study, resolved.

        Where something is guessed, the study is loaded once without a start of the search: what
        can be started depends on what its arms search.
        """
        if given.data.keys() >= WHOLE:
            definition = whole_definition(self._table, given)
            return self._load(study_text(self.name, definition, given.study))
        table = guess_table(rows, self._table, given)
        definition = guessed_definition(table, given)
        study = self._load(study_text(self.name, definition, given.study))
        searched = set(chain.from_iterable(arm.space.parameters for arm in study.arms))
        started = with_start(given.study, table, searched)
        return self._load(study_text(self.name, definition, started))

    def _load(self, text: str) -> ResolvedStudy:
        """Write a text as the study file, load it and check its columns."""
        self._text = text
        study = load_study(self.file)
        problems = column_problems(study.spec.data, self._columns)
        if problems:
            raise DataError(*(study.placed(problem) for problem in problems))
        return study

    @property
    def file(self) -> str:
        """The path of the study file, written again if another study of the name wrote over it."""
        path = self._folder / f"{self.name}.yaml"
        content = self._text.encode()
        with writing(path):
            if not path.is_file() or path.read_bytes() != content:
                with replacing(path, len(content)) as part:
                    part.write_bytes(content)
        return str(path)

    def to_yaml(self) -> str:
        """Return the study with its data definition as the text of a study file."""
        return self._text

    def check(self, **options: Any) -> "Plan":
        """Run every check of a launch and return what the study will cost."""
        return api.check(self.file, output=self._output, **options)

    def launch(self, *, watcher: "Watcher | None" = None, **options: Any) -> "StudyRecord":
        """Run or resume the study and write its report. Errors: as `hinet_search.launch`."""
        return api.launch(self.file, watcher=watcher, output=self._output, **options)

    def load(self, *, trial_cells: bool = False, **options: Any) -> "StudyRecord":
        """Return the stored record of the study."""
        return api.load(self.file, trial_cells=trial_cells, output=self._output, **options)

    def export(self, to: str | PathLike[str], **options: Any) -> "Export":
        """Write a finalist or the ensemble as a folder; options as in `hs.export`."""
        return api.export(self.file, to, output=self._output, **options)

    def __repr__(self) -> str:
        spec = self._study.spec
        size = f"{counted(self._num_rows, 'row')}, {counted(len(self._columns), 'column')}"
        tasks = ", ".join(spec.data.tasks)
        return (
            f"<Study {self.name}: {size}; scenarios of {spec.data.scenario.column}; "
            f"tasks {tasks}; arms {', '.join(spec.arms)}>"
        )

    def _repr_html_(self) -> str:
        """Return the guesses to check and the study file as HTML; all texts are escaped."""
        guesses = "".join(f"<li>{escape(guess)}</li>" for guess in self._study.guesses_to_check)
        to_check = f"<p>guesses to check:</p><ul>{guesses}</ul>" if guesses else ""
        return f"<p>{escape(repr(self))}</p>{to_check}<pre>{escape(self._text)}</pre>"


def frame_of(data: Any) -> pl.DataFrame:
    """Return any frame as a Polars frame with plain texts for categories.

    The index of a pandas frame becomes columns where it has names.
    Errors: ConfigurationError if `data` is no frame; DataError if it has no rows, two columns of
    one name, or values that are no table.
    """
    kind = type(data)
    if isinstance(data, pl.LazyFrame):
        with reading("data"):
            data = data.collect()
    elif kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame":
        if any(name is not None for name in data.index.names):
            data = data.reset_index()
        data = _converted(pl.from_pandas, data)
    elif not isinstance(data, pl.DataFrame) and hasattr(data, "__arrow_c_stream__"):
        data = _converted(pl.from_arrow, data)
    if not isinstance(data, pl.DataFrame):
        raise ConfigurationError(
            "data must be a Polars, pandas or Arrow frame, or the path of a table, "
            f"got {kind.__qualname__}"
        )
    if data.is_empty():
        shape = f"{data.height} rows and {data.width} columns"
        raise DataError(f"data: a frame must have rows and columns, got {shape}")
    if objects := [name for name, dtype in data.schema.items() if dtype == pl.Object]:
        raise DataError(
            f"data: column '{objects[0]}' holds Python objects, which no table has",
            remedy="turn them into numbers, texts or dates, or drop the column",
        )
    return data.with_columns(cs.categorical().cast(pl.String), cs.enum().cast(pl.String))


def stored_table(frame: pl.DataFrame, folder: Path) -> Path:
    """Return the Parquet file of a frame in the folder; write it unless it is there.

    Errors: DiskFull; EnvironmentFault if the folder cannot be written.
    """
    path = folder / f"{content_hash(frame)}.parquet"
    if not path.is_file():
        with replacing(path, int(frame.estimated_size())) as part:
            frame.write_parquet(part)
    return path


def content_hash(frame: pl.DataFrame) -> str:
    """Return 32 hexadecimal digits of names, types and values, however the frame is in memory.

    No version of a library is part of it, so that a study resumes after an update.
    """
    content = ContentHash()
    for rows in frame.iter_slices(ROWS_AT_ONCE):
        content.add(rows)
    return content.digest()


def _converted(convert: Any, data: Any) -> Any:
    """Convert a frame of another library; Arrow's errors are TypeError and ValueError too."""
    try:
        return convert(data)
    except (PolarsError, TypeError, ValueError, NotImplementedError) as error:
        raise DataError(
            f"data: the frame cannot be read as a table: {shorten(str(error))}",
            remedy="give every column a name of its own, and values of one type",
        ) from error
