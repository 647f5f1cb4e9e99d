"""Gone: names of keys, settings, commands and options that 1.0 removed, and what to use instead.

Also names that are deprecated: they still work, and docs/stability.md has the promise. To deprecate
a name, add it to DEPRECATED and call `warn_of(name)` where the name is accepted.
tests/common/test_deprecation.py fails once the release is there in which a name must be gone: move
its entry to GONE then.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

SINCE = "1.0"

_RECIPE = "docs/ship.md has a recipe for it"
_NEWER = "train the chosen configuration on newer rows: hinet-search train STUDY --rows TABLE"
_LOG = "labelled rows join the log of one call: hinet-search predict MODEL ROWS --log NEWER"
_SHORT = "one file: report STUDY --mlflow logs a finished study"
_TABLE = "write the rows of the query or store as Parquet, and name that file as the table"
_ROWS = "write its rows as Parquet, and name that file as the table"
_NO_GAIN = "leave it out, no gain was shown (docs/results/gone.md)"
_ADAMS = "use adam or lazy_adam, no gain was shown (docs/results/README.md)"
_MEDIAN = "leave it out, or use median: halving lost the best configurations (docs/search.md)"
_MOVED = "a library for monitoring compares tables, such as evidently or whylogs"
_ONE_BY_ONE = "every slot trains its models one by one; raise slots instead"

# By the last part of a dotted name; of an option without its dashes, unless a key is named so.
GONE: Mapping[str, str] = {
    "apply_delta": _NEWER,
    "asha": _MEDIAN,
    "hyperband": _MEDIAN,
    "delta": _NEWER,
    "forget-after": _NEWER,
    "nightly": _NEWER,
    "passes": "use epochs",
    "after_passes": "use after_epochs",
    "annealing_passes": "use annealing_epochs",
    "evaluations_per_pass": "use evaluations_per_epoch",
    "warmup_passes": "use warmup_epochs",
    "refit": _NEWER,
    "registry": _NEWER,
    "roll_back": _NEWER,
    "serve": _RECIPE,
    "state": _LOG,
    "monitor": _MOVED,
    "weights": "graphs hold fp32",
    "aoti": "take onnx",
    "torch": "take onnx",
    "formats": "onnx=True, for --format onnx",
    "export_for": "train in the other library from the settings of the report",
    "from-fuxictr": "write the study by hand, docs/studies.md",
    "from-torcheasyrec": "write the study by hand, docs/studies.md",
    "fuxictr": "train in that library from the settings of the report",
    "torcheasyrec": "train in that library from the settings of the report",
    "mlflow": _SHORT,
    "tensorboard": _SHORT,
    "tracking": _SHORT,
    "--table": _TABLE,
    "sql": _TABLE,
    "aliexpress": _ROWS,
    "tenrec": _ROWS,
    "kuairand-1k": _ROWS,
    "kuairand-27k": _ROWS,
    "movielens-20m": _ROWS,
    "movielens-25m": _ROWS,
    "install-completion": "click's own completion: _HINET_SEARCH_COMPLETE=bash_source hinet-search",
    "shared_batches": _ONE_BY_ONE,
    "stacked_trials": _ONE_BY_ONE,
    "workers": _ONE_BY_ONE,
    "crosses": _NO_GAIN,
    "equal": "leave it out, or weigh scenarios by name: train.scenario_weights.SCENARIO",
    "focal": _NO_GAIN,
    "focal_gamma": _NO_GAIN,
    "hashed": "leave it out, and search features.minimum_frequency",
    "pairs_within_scenarios": "use pairs_within_users",
    "least_gain": "leave it out, what an hour of trials brought is no bound on the next",
    "periodic": "use bins, waves are lower (docs/results/gone.md)",
    "reset_embeddings": _NO_GAIN,
    "rowwise_adagrad": _ADAMS,
    "sparse_adam": _ADAMS,
    "stop_gradient": "leave it out, or take model.san.top_k: it is lower (docs/results/README.md)",
    "wall_clock_minutes": "use budget, the time of the study with its finalists: budget: 2h",
    "writable": "pages only read; hinet-search delete STUDY deletes a study and its copy",
    "color": "NO_COLOR=1 turns colours off",
    "no-progress": "CI=1 prints plain lines, as a pipe or a file gets them",
    "dry-run": "hinet-search check STUDY prints the plan",
    "table_precision": "leave it out, tables train in fp32",
}


def gone(name: str) -> str:
    """Return `'refit' is gone since 1.0: ...`, or an empty string for any other name."""
    last_part = name.rpartition(".")[2]
    known = last_part if last_part in GONE else last_part.lstrip("-")
    return f"'{known}' is gone since {SINCE}: {GONE[known]}" if known in GONE else ""


@dataclass(frozen=True)
class Deprecation:
    """The releases since which a name is deprecated and in which it is gone, and a remedy."""

    since: str  # a minor release, as 1.2
    gone_in: str  # a major release, as 2.0
    instead: str


DEPRECATED: Mapping[str, Deprecation] = {}


def warn_of(name: str, names: Mapping[str, Deprecation] = DEPRECATED) -> None:
    """Warn that a name of DEPRECATED was used.

    A FutureWarning: Python shows it to users, where it hides a DeprecationWarning from them.
    """
    entry = names[name]
    warnings.warn(
        f"'{name}' is deprecated since {entry.since} and is gone in {entry.gone_in}: "
        f"{entry.instead}",
        FutureWarning,
        stacklevel=3,
    )


def overdue(names: Mapping[str, Deprecation], release: str) -> tuple[str, ...]:
    """Return the names that must be gone in a release, such as 2.1.0."""
    now = _numbers(release)
    return tuple(name for name, entry in names.items() if _numbers(entry.gone_in) <= now)


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")[:2]))
