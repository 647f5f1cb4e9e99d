"""hinet-search: which HiNet is best for our scenarios and tasks, and is it really better than the baselines?

The Python face, the same as the command line:

    import hinet_search as hs
    plan = hs.check("quickstart")     # every problem at once, and what the study will cost
    record = hs.launch("quickstart")  # run or continue it, write the report
    record = hs.load("quickstart")    # what is stored of it; record.trials is a Polars frame

Nothing heavy is imported before it is used. docs/python.md has every name.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

__all__ = [
    "AllTrialsFailed",
    "ConfigurationError",
    "DataError",
    "EnvironmentFault",
    "Event",
    "HinetSearchError",
    "Interrupted",
    "Plan",
    "Progress",
    "StudyConflict",
    "StudyRecord",
    "Watcher",
    "check",
    "launch",
    "load",
]

_MODULES = {
    "records": ("StudyRecord",),
    "search.plan": ("Plan",),
    "search.progress": ("Event", "Progress", "Watcher"),
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


def __getattr__(name: str) -> Any:
    """A type, imported when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = next((module for module, held in _MODULES.items() if name in held), "errors")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])
