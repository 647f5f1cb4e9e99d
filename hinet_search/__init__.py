"""hinet-search: find the best HiNet for our scenarios and tasks; test if it beats the baselines.

The Python interface, with the same calls as the command line:

    import hinet_search as hs
    plan = hs.check("quickstart")     # every problem at once, and what the study will cost
    record = hs.launch("quickstart")  # run or resume it, write the report
    record = hs.load("quickstart")    # the stored results; record.trials is a Polars frame
    hs.export("quickstart", "winner")                     # the winner as a folder that scores rows
    hs.train("shop", "june", rows="june.parquet")  # what a study chose, trained on newer rows
    hs.predict("winner", "rows.parquet", "scores.parquet")  # probabilities of new rows
    hs.load_model("winner").predict(frame)                # the same of a frame

    study = hs.Study("shop", frame, scenario="channel", tasks={"click": "is_click"})
    record = study.launch()           # of a frame, without a file of your own

Heavy packages are imported at their first use. docs/python.md lists every name.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hinet_search.api import check, export, launch, load, load_model, predict, train
    from hinet_search.common.errors import (
        AllTrialsFailed,
        ConfigurationError,
        DataError,
        EnvironmentFault,
        HinetSearchError,
        Interrupted,
        StudyConflict,
    )
    from hinet_search.notebook.study import Study
    from hinet_search.results.study_record import StudyRecord
    from hinet_search.search.plan.forecast import Plan
    from hinet_search.search.progress import Event, Progress, Watcher
    from hinet_search.serving.export import Export
    from hinet_search.serving.model_folder import LoadedModel
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
    "LoadedModel",
    "Plan",
    "Prediction",
    "Progress",
    "Study",
    "StudyConflict",
    "StudyRecord",
    "Watcher",
    "check",
    "export",
    "launch",
    "load",
    "load_model",
    "predict",
    "train",
]

# The module of each public name; all others are in common.errors.
_MODULES = {
    "api": ("check", "export", "launch", "load", "load_model", "predict", "train"),
    "search.plan.forecast": ("Plan",),
    "search.progress": ("Event", "Progress", "Watcher"),
    "notebook.study": ("Study",),
    "serving.export": ("Export",),
    "serving.model_folder": ("LoadedModel",),
    "serving.predict": ("Prediction",),
    "results.study_record": ("StudyRecord",),
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in __all__:
        from hinet_search.common.gone import gone

        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}"
            f"{f'; {reason}' if (reason := gone(name)) else ''}"
        )
    modules = [module for module, names in _MODULES.items() if name in names]
    module = modules[0] if modules else "common.errors"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*globals(), *__all__])
