"""Slots: a whole study, trials to report, with one slot and with two, in turns."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from hinet_search.api import launch_ready, ready
from hinet_search.search.progress import NullWatcher
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.device import Wanted
from layout import aligned

FEW, MANY = 1, 2  # slots


@dataclass(frozen=True)
class SlotsFigure:
    """Median seconds of a study with FEW and with MANY slots; `ratio` is the median ratio.

    Data are encoded before it begins; starting the slots, finalists and the report are within.
    """

    study: str
    trials_per_arm: int
    few_seconds: float
    many_seconds: float
    ratio: float


def bench_slots(studies: Sequence[str], *, trials: int, rounds: int) -> list[SlotsFigure]:
    """Each study, so many trials for each of its arms."""
    return [_figure(study, trials, rounds) for study in studies]


def _figure(study: str, trials: int, rounds: int) -> SlotsFigure:
    took = [
        tuple(study_seconds(study, trials, slots) for slots in (FEW, MANY)) for _ in range(rounds)
    ]
    few, many = zip(*took, strict=True)
    return SlotsFigure(
        study,
        trials,
        median(few),
        median(many),
        median(of_few / of_many for of_few, of_many in took),
    )


def study_seconds(study: str, trials: int, slots: int, device: Wanted | None = None) -> float:
    """Return the seconds of a study with encoded data, on its file's device or the given one."""
    with tempfile.TemporaryDirectory(prefix="slots-") as folder:
        options = LaunchOptions(trials=trials, slots=slots, device=device, output=Path(folder))
        checked = ready(study, options)
        began = time.perf_counter()
        launch_ready(checked, options, "bench_slots", NullWatcher())
        return time.perf_counter() - began


def table(figures: Sequence[SlotsFigure]) -> str:
    """The figures as text, a line each."""
    lines = [("a study", "trials an arm", f"{FEW} slot, s", f"{MANY} slots, s", "ratio")]
    lines += [
        (
            figure.study,
            str(figure.trials_per_arm),
            f"{figure.few_seconds:.1f}",
            f"{figure.many_seconds:.1f}",
            f"{figure.ratio:.2f}",
        )
        for figure in figures
    ]
    return aligned(lines)
