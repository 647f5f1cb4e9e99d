"""Plug-in keys: the key `executor`, which names a plug-in and holds its options; losses."""

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.common.frozen_model import PluginChoice, Text
from hinet_search.common.plugins import load, names
from hinet_search.study.yaml_file import Place, validated_at

EXECUTORS = "hinet_search.executors"
LOSSES = "hinet_search.training.losses"


class ExecutorSpec(PluginChoice):
    """What runs the slots.

    `kind` names a file in executors; its Options type checks the other keys.
    """

    kind: Text = "local"


def check_executor(spec: ExecutorSpec, place: Place) -> None:
    """Raise ConfigurationError unless the executor exists, is usable, and has the options.

    Its Options type checks that what it needs is installed.
    """
    known = names(EXECUTORS)
    if spec.kind not in known:
        raise ConfigurationError(
            f"{place(('executor', 'kind'))}: '{spec.kind}' is not an executor, "
            f"known: {', '.join(known)}{did_you_mean(spec.kind, known)}"
        )
    options = load(EXECUTORS, spec.kind).Options
    validated_at(options, spec.options, lambda location: place(("executor", *location)))
