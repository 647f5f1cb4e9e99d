"""Metrics: what the server has done so far, in the text format of Prometheus."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from hinet_search.common.files import num_bytes
from hinet_search.serving.live.live_log import TakenEvents
from hinet_search.serving.requests.served_model import ServedModel

SCORED = "scored"
TAKEN = "taken"
INVALID = "invalid"
TOO_LARGE = "too_large"
BUSY = "busy"
DENIED = "denied"
GONE = "gone"
FAILED = "failed"
OUTCOMES = (SCORED, TAKEN, INVALID, TOO_LARGE, BUSY, DENIED, GONE, FAILED)
SWAPPED = "swapped"
REFUSED = "refused"
BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which tells nothing more
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        counter = partial(Counter, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry)
        self._requests = counter(
            "hinet_search_requests",
            "Requests to score or with events, and requests that were denied, by outcome",
            ["outcome"],
        )
        self._seconds = Histogram(
            "hinet_search_request_seconds",
            "Seconds from the first byte of a request to score or with events to its answer",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._rows = counter("hinet_search_rows", "Rows scored")
        self._unseen = counter(
            "hinet_search_unseen_values",
            "Rows scored with a value that training did not have or was too rare, by column",
            ["column"],
        )
        self._far = counter(
            "hinet_search_far_values",
            "Rows scored with a number far outside of those of training, by input",
            ["column"],
        )
        self._events = counter(
            "hinet_search_events",
            "Events: added, labels that came later, again with nothing new, too late",
            ["outcome"],
        )
        self._last_event = gauge(
            "hinet_search_last_event_time",
            "The time of the last row of the log, as its column counts it; of label statistics "
            "alone the number of the last day, or hour, with a label",
        )
        self._state_bytes = gauge(
            "hinet_search_state_bytes",
            "Bytes of the folder of the state, with the events that are kept",
        )
        self._reloads = counter("hinet_search_reloads", "Reloads by outcome", ["outcome"])
        self._is_refused = gauge(
            "hinet_search_reload_is_refused",
            "1 while the newest folder is refused and an older model answers",
        )
        self._loaded = gauge(
            "hinet_search_model_loaded_timestamp_seconds",
            "When the model that answers was loaded",
        )
        self._model = gauge(
            "hinet_search_model_info",
            "1 for the model that answers",
            ["study", "name", "version"],
        )
        for outcome in OUTCOMES:
            self._requests.labels(outcome)
        for outcome in (SWAPPED, REFUSED):
            self._reloads.labels(outcome)

    def request(self, outcome: str, seconds: float | None = None) -> None:
        """Count a request; seconds are of requests that were read whole."""
        self._requests.labels(outcome).inc()
        if seconds is not None:
            self._seconds.observe(seconds)

    def scored(self, num_rows: int, unseen: Mapping[str, int], far: Mapping[str, int]) -> None:
        """Count scored rows, and those with an unseen value or a far number by column."""
        self._rows.inc(num_rows)
        for counter, counts in ((self._unseen, unseen), (self._far, far)):
            for column, count in counts.items():
                if count:  # of hundreds of columns few
                    counter.labels(column).inc(count)

    def took(self, taken: TakenEvents) -> None:
        """Count events by what became of them."""
        for outcome in ("added", "labelled", "again", "late"):
            self._events.labels(outcome).inc(getattr(taken, outcome))
        if taken.last is not None:
            self._last_event.set(taken.last)

    def state(self, folder: Path) -> None:
        """Tell the size of a state from now on."""
        self._state_bytes.set_function(lambda: num_bytes(folder))

    def model(self, served: ServedModel) -> None:
        """Describe the model that answers from now on."""
        self._model.clear()
        file = served.exported.file
        self._model.labels(file.study, file.name, served.version).set(1)
        self._loaded.set(served.loaded.timestamp())
        if served.live is not None and served.live.last is not None:
            self._last_event.set(served.live.last)
        for column in served.encoder.names:  # so that the first of each is an increase
            self._unseen.labels(column)
        for column in served.exported.encoder.encoding.numeric_inputs:
            self._far.labels(column)

    def reload(self, outcome: str) -> None:
        """Count a reload."""
        self._reloads.labels(outcome).inc()
        self._is_refused.set(outcome == REFUSED)

    def text(self) -> bytes:
        """Return all metrics."""
        return generate_latest(self._registry)
