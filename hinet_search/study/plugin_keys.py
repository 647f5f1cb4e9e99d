"""Plug-in keys: keys of a study that name a plug-in and hold its options: executor, tracking."""

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.common.frozen_model import PluginChoice, Text
from hinet_search.common.plugins import load, names
from hinet_search.study.yaml_file import Place, validated_at

EXECUTORS = "hinet_search.executors"
TRACKERS = "hinet_search.trackers"
LOSSES = "hinet_search.training.losses"
PLUGINS = {  # by key: what they are, and their package
    "executor": ("an executor", EXECUTORS),
    "tracking": ("a tracker", TRACKERS),
}


class ExecutorSpec(PluginChoice):
    """What runs the slots.

    `kind` names a file in executors; its Options type checks the other keys.
    """

    kind: Text = "local"


class TrackingSpec(PluginChoice):
    """The tool that shows the study while it runs.

    `kind` names a file in trackers; its Options type checks the other keys.
    """


def check_plugin(key: str, spec: ExecutorSpec | TrackingSpec | None, place: Place) -> None:
    """Raise ConfigurationError unless the plug-in of a key exists, is usable, and has the options.

    Its Options type checks that what it needs is installed. None, an absent key, needs nothing.
    """
    if spec is None:
        return
    what, package = PLUGINS[key]
    known = names(package)
    if spec.kind not in known:
        raise ConfigurationError(
            f"{place((key, 'kind'))}: '{spec.kind}' is not {what}, "
            f"known: {', '.join(known)}{did_you_mean(spec.kind, known)}"
        )
    options = load(package, spec.kind).Options
    validated_at(options, spec.options, lambda location: place((key, *location)))
