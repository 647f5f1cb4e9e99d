"""Figures of a record: a lazy mapping from their names to figures of plotly."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hinet_search.common import plugins
from hinet_search.common.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from hinet_search.results.study_record import StudyRecord

FIGURES = "hinet_search.report.figures"


class UnknownFigure(ConfigurationError, KeyError):
    """There is no figure of that name; a KeyError too, as of any mapping."""

    def __str__(self) -> str:
        return "\n".join(self.problems)


class RecordFigures(Mapping[str, Any]):
    """The figures of a record by name; each is drawn when it is asked for.

    Errors: UnknownFigure; NotApplicable, a HinetSearchError that says what the record lacks.
    """

    def __init__(self, record: "StudyRecord") -> None:
        self._record = record

    def __getitem__(self, name: str) -> Any:
        known = plugins.names(FIGURES)
        if name not in known:
            raise UnknownFigure(
                f"figure '{name}' is not known, must be one of {', '.join(known)}"
                f"{did_you_mean(name, known)}"
            )
        return plugins.load(FIGURES, name).figure(self._record)

    def __iter__(self) -> Iterator[str]:
        return iter(plugins.names(FIGURES))

    def __len__(self) -> int:
        return len(plugins.names(FIGURES))

    def __contains__(self, name: object) -> bool:
        return name in plugins.names(FIGURES)  # without drawing it

    def __repr__(self) -> str:
        return f"<figures of {self._record.name}: {', '.join(self)}>"
