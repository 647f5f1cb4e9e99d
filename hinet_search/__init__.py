"""hinet-search: which HiNet is best for our scenarios and tasks, and is it really better than the baselines?

The Python face, the same as the command line:

    import hinet_search as hs
    plan = hs.check("quickstart")     # every problem at once, and what the study will cost
    record = hs.launch("quickstart")  # run or continue it, write the report
    record = hs.load("quickstart")    # what is stored of it; record.trials is a Polars frame
    hs.export("quickstart", "winner")                     # the winner as a folder of its own
    hs.predict("winner", "rows.parquet", "scores.parquet")  # probabilities of new rows

Nothing heavy is imported before it is used. docs/python.md has every name.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

    from hinet_search.errors import (
        AllTrialsFailed,
        ConfigurationError,
        DataError,
        EnvironmentFault,
        HinetSearchError,
        Interrupted,
        StudyConflict,
    )
    from hinet_search.records import StudyRecord
    from hinet_search.search.plan import Plan
    from hinet_search.search.progress import Event, Progress, Watcher
    from hinet_search.serving.export import Export
    from hinet_search.serving.predict import Prediction

__all__ = [
    "AllTrialsFailed",
    "ConfigurationError",
    "DataError",
    "EnvironmentFault",
    "Event",
    "Export",
    "HinetSearchError",
    "Interrupted",
    "Plan",
    "Prediction",
    "Progress",
    "StudyConflict",
    "StudyRecord",
    "Watcher",
    "check",
    "export",
    "launch",
    "load",
    "predict",
]

_MODULES = {
    "records": ("StudyRecord",),
    "search.plan": ("Plan",),
    "search.progress": ("Event", "Progress", "Watcher"),
    "serving.export": ("Export",),
    "serving.predict": ("Prediction",),
}  # where the types are; errors are the rest


def check(study: str, **options: Any) -> "Plan":
    """Check a study by name or path without running it; options are those of `LaunchOptions`."""
    from hinet_search.face import check as run

    return run(study, **options)


def launch(study: str, *, watcher: "Watcher | None" = None, **options: Any) -> "StudyRecord":
    """Run or continue a study by name or path and write its report; options are those of `LaunchOptions`."""
    from hinet_search.face import launch as run

    return run(study, watcher, **options)


def load(study: str, **options: Any) -> "StudyRecord":
    """The stored record of a study; options `storage` and `output` say where it is."""
    from hinet_search.face import load as run

    return run(study, **options)


def export(study: str, to: "str | PathLike[str]", *, arm: str | None = None, **options: Any) -> "Export":
    """Write an arm's chosen finalist as a folder that scores new rows, checked against its training.

    Options are `seeds` ("best" or "all"), and `storage`, `output`, `size` and `settings` of the launch. Without `arm` it is
    the arm that the verdict speaks for.
    """
    from pathlib import Path

    from hinet_search.face import export as run

    return run(study, Path(to), arm, **options)


def predict(folder: "str | PathLike[str]", rows: str, to: "str | PathLike[str]", **options: Any) -> "Prediction":
    """Score the rows of a table with an exported model; options are `device` and `plugins`."""
    from pathlib import Path

    from hinet_search.face import predict as run

    return run(Path(folder), str(rows), Path(to), **options)


def __getattr__(name: str) -> Any:
    """A type, imported when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = next((module for module, held in _MODULES.items() if name in held), "errors")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])
