"""Synthetic trainings without the choices of a finalist, added to a synthetic study."""

from collections.abc import Mapping
from dataclasses import replace

from hinet_search.results.ablation import EVERY_CHOICE
from hinet_search.results.study_record import PairedRun, StudyRecord
from tests.report.studies import small

FULL = 0.70
SPREAD = (-0.0004, 0.0001, 0.0003, 0.0002, -0.0002)  # of a gain over seeds
EXPERTS, WIDTH = ("model.scenario.num_sub_experts",), ("model.embedding_dim",)
RATES = ("train.learning_rate", "model.dropout", "model.san.top_k")
GAINS = {(EVERY_CHOICE,): 0.0121, EXPERTS: 0.0094, RATES: 0.0002, WIDTH: -0.0031}


def moved() -> StudyRecord:
    """The small study: the number of experts moved HiNet's finalist, its width made it worse."""
    return with_choices(small(), GAINS)


def with_choices(record: StudyRecord, gains: Mapping[tuple[str, ...], float]) -> StudyRecord:
    """Measure choices of the chosen finalist of HiNet with five seeds."""

    def runs(left_out: tuple[str, ...], gain: float) -> list[PairedRun]:
        return [
            PairedRun("hinet/1", left_out, seed, FULL - record.sign * (gain + spread))
            for seed, spread in enumerate(SPREAD)
        ]

    measured = [PairedRun("hinet/1", (), seed, FULL) for seed in range(len(SPREAD))]
    for left_out, gain in gains.items():
        measured += runs(left_out, gain)
    return replace(record, paired_runs=(*record.paired_runs, *measured))
