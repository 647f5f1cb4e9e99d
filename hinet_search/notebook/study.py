"""Study: a study of a frame, from keywords that are the keys of a study file."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from html import escape
from itertools import chain
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from hinet_search import api
from hinet_search.common.amounts import counted
from hinet_search.common.errors import DataError, HinetSearchError, StudyConflict
from hinet_search.common.files import replacing
from hinet_search.common.spaced import say_nothing
from hinet_search.data.checks import column_problems
from hinet_search.data.reading import reading
from hinet_search.data.sources import table as table_source
from hinet_search.data.stores import local_path
from hinet_search.notebook.frame_table import frame_of, stored_table, writing
from hinet_search.notebook.given_keys import KEYS, GivenKeys, given_keys
from hinet_search.notebook.study_text import (
    guess_table,
    guessed_definition,
    study_text,
    whole_definition,
    with_start,
)
from hinet_search.study.data_definition import split_in_words
from hinet_search.study.launch_options import DEFAULT_OUTPUT, LaunchOptions
from hinet_search.study.load_study import ResolvedStudy, check_study_name, load_study
from hinet_search.study.yaml_text import parsed

if TYPE_CHECKING:
    from hinet_search.results.study_record import StudyRecord
    from hinet_search.search.plan.plan import Plan
    from hinet_search.search.progress import Watcher
    from hinet_search.serving.export import Export

FOLDER = "frames"  # in the output folder: tables and study files


class ArrowFrame(Protocol):
    """A frame of pandas, Arrow or another library that speaks Arrow's C interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the frame as a stream of Arrow."""


def _with_keys_in_its_signature(init: Callable[..., None]) -> Callable[..., None]:
    """Name every key with its default where help and completion look for keywords."""
    signature = inspect.signature(init)
    parameters = [
        parameter for parameter in signature.parameters.values() if parameter.name != "keys"
    ]
    for name, field in KEYS.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
    vars(init)["__signature__"] = signature.replace(parameters=parameters)
    return init


class Study:
    """A study of a frame; docs/python.md has an example.

    `data` is a frame of Polars, pandas or Arrow, or the path or URL of a table;
    a table at a URL (`s3://bucket/folder`) is copied into the cache once. `scenario`
    names a column. `tasks` maps names of tasks to labels, columns of 0 and 1 or of amounts, or
    mappings with a rule or a kind, or lists the columns. `arms` lists models, or maps arms to their
    keys. Further keywords are the keys of a study and of a data definition, with the same values as
    in YAML.

    What is not given is guessed as by `hinet-search data init`. A definition with `scenario`,
    `tasks`, `features` and `split` is taken as it is.

    The frame is written once to `OUTPUT/frames`, as a Parquet file named by its content, and the
    study beside it as `NAME.yaml`, which the command line takes too. Calls run on that file, with
    the checks and messages of any other study.

    Errors: ConfigurationError for wrong keywords, as for a wrong study file; DataError for a frame
    without rows, or whose columns are not those of the definition.
    """

    @_with_keys_in_its_signature
    def __init__(
        self,
        name: str,
        data: pl.DataFrame | pl.LazyFrame | ArrowFrame | str | PathLike[str],
        *,
        output: str | PathLike[str] = DEFAULT_OUTPUT,
        **keys: Any,
    ) -> None:
        given = given_keys(keys)
        check_study_name(name, "name")
        self.name = name
        self._output = Path(output)
        self._folder = self._output / FOLDER
        self._table = self._table_of(data, given)
        rows = table_source.scan(self._local_table(), Path.cwd(), self._cache, "data")
        with reading("data"):
            self._columns = rows.collect_schema()
            self._num_rows = int(rows.select(pl.len()).collect().item())
        given.refuse_other_columns(self._columns.names())
        self._study = self._written(rows, given)

    def _table_of(self, data: Any, given: GivenKeys) -> str:
        """Return the path of the table: the given one, or that of the frame, which is written."""
        if isinstance(data, str | PathLike):
            return fspath(data)
        frame = frame_of(data)
        given.refuse_other_columns(frame.columns)
        return str(stored_table(frame, self._folder))

    def _local_table(self) -> str:
        """Return the path of the table on this machine: of its copy, if it is at a URL."""
        return local_path(self._table, "data", self._cache, say_nothing)

    @property
    def _cache(self) -> Path:
        folder = None if self._output == DEFAULT_OUTPUT else self._output
        return LaunchOptions(output=folder).cache

    def _written(self, rows: pl.LazyFrame, given: GivenKeys) -> ResolvedStudy:
        """Write the study file and return the study, resolved.

        Where something is guessed, the study is loaded once without a start of the search: what
        can be started depends on what its arms search.
        """
        if given.is_whole:
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
        return api.check(self.file, output=self._output_option, **self._with_places(options))

    def launch(self, *, watcher: "Watcher | None" = None, **options: Any) -> "StudyRecord":
        """Run or resume the study and write its report.

        Errors: those of `hinet_search.launch`; StudyConflict if the frame is another one than that
        of an earlier launch.
        """
        try:
            return api.launch(
                self.file,
                watcher=watcher,
                output=self._output_option,
                **self._with_places(options),
            )
        except StudyConflict as error:
            raise self._explained(error, options) from error

    def load(self, *, trial_cells: bool = False, **options: Any) -> "StudyRecord":
        """Return the stored record of the study."""
        return api.load(self.file, trial_cells=trial_cells, output=self._output_option, **options)

    def export(self, to: str | PathLike[str], **options: Any) -> "Export":
        """Write a finalist or the ensemble as a folder; options as in `hs.export`."""
        return api.export(self.file, to, output=self._output_option, **options)

    def _with_places(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add the cluster to the settings of a launch.

        A launch must name it, since a study file may be of someone else; this one is ours.
        """
        spec = self._study.spec
        settings = options.get("settings", {})
        overridden = {*options, *(name.partition(".")[0] for name in settings)}
        added = {}
        if "executor" not in overridden and "address" in spec.executor.options:
            added["executor.address"] = spec.executor.options["address"]
        return {**options, "settings": {**added, **settings}} if added else options

    @property
    def _output_option(self) -> str | None:
        """The output folder as an option; None for the default, so that reports are in reports/."""
        return None if self._output == DEFAULT_OUTPUT else str(self._output)

    def _explained(self, error: StudyConflict, options: Mapping[str, Any]) -> StudyConflict:
        """Return the error in the words of a notebook if the frame is not that of the launch."""
        with suppress(HinetSearchError):  # what is stored cannot be read: the error says why
            record = self.load(**options)
            stored, _ = parsed(record.study_yaml, lambda _: "the stored study")
            here = Path(self._table).name  # that of a frame is its content
            match stored:
                case {"data": {"source": {"path": str(table)}}} if Path(table).name != here:
                    return StudyConflict(
                        f"study '{record.name}' was launched with another frame ({table}): values, "
                        "names or types of its columns differ from those of this one",
                        remedy="give this study another name, "
                        f"or launch the rows of before: Study({self.name!r}, {table!r}, ...)",
                    )
        return error

    def __repr__(self) -> str:
        return f"<Study {self.name}: {'; '.join(self._summary().values())}>"

    def _repr_html_(self) -> str:
        """Return what the study is, and the guesses to check, as HTML; all texts are escaped."""
        rows = "".join(
            f'<tr><th scope="row">{name}</th><td>{escape(text)}</td></tr>'
            for name, text in {**self._summary(), "file": self.file}.items()
        )
        guesses = "".join(f"<li>{escape(guess)}</li>" for guess in self._study.guesses_to_check)
        to_check = f"<p>guesses to check:</p><ul>{guesses}</ul>" if guesses else ""
        return f"<p><b>{escape(self.name)}</b></p><table><tbody>{rows}</tbody></table>{to_check}"

    def _summary(self) -> dict[str, str]:
        spec = self._study.spec
        data = spec.data
        features = spec.data.features
        values = list(dict.fromkeys((data.scenario.values or {}).values()))
        scenarios = f"{data.scenario.column}: {', '.join(values) or 'every value'}"
        return {
            "data": f"{counted(self._num_rows, 'row')}, {counted(len(self._columns), 'column')}",
            "scenarios": scenarios,
            "tasks": ", ".join(f"{name} ({task.column})" for name, task in data.tasks.items()),
            "inputs": f"{len(features.categorical)} categorical, {len(features.numeric)} numeric",
            "split": split_in_words(data.split),
            "arms": f"{', '.join(spec.arms)}, {counted(spec.trials, 'trial')} each",
        }
