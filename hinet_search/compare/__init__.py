"""Comparison of arms: pure statistics over scores and over a StudyRecord, and the verdict by rules."""

from hinet_search.compare.budget import BudgetPoint, budget_curve
from hinet_search.compare.cells import CellDifference, ReferenceGains, against_reference, cell_gains, seesaw
from hinet_search.compare.contrasts import Contrast, claims, contrasts, resolution, seeds_needed
from hinet_search.compare.finalists import (
    Measure,
    Split,
    best_on_validation,
    by_seed,
    cell_by_seed,
    cells_of,
    chosen,
    headline,
    headline_by_seed,
    measure,
    missing,
    objective_by_seed,
    pair_of,
    values_by,
)
from hinet_search.compare.gains import Difference, Mark, Summary, gain, seeds_to_show, summary
from hinet_search.compare.resampling import RESAMPLINGS, Scored, ensemble_logits, resampled
from hinet_search.compare.rules import SEEDS_FOR_A_CLAIM, Status, Verdict, in_words, title, trials_done, verdict
from hinet_search.compare.simultaneous import Step, holm, joint_level
from hinet_search.compare.sizes import dense_parameters, same_size
from hinet_search.compare.welch import Estimate, Side, estimate
from hinet_search.compare.winner import flops, is_opened, to_take

__all__ = [
    "RESAMPLINGS",
    "SEEDS_FOR_A_CLAIM",
    "BudgetPoint",
    "CellDifference",
    "Contrast",
    "Difference",
    "Estimate",
    "Mark",
    "Measure",
    "ReferenceGains",
    "Scored",
    "Side",
    "Split",
    "Status",
    "Step",
    "Summary",
    "Verdict",
    "against_reference",
    "best_on_validation",
    "budget_curve",
    "by_seed",
    "cell_by_seed",
    "cell_gains",
    "cells_of",
    "chosen",
    "claims",
    "contrasts",
    "dense_parameters",
    "ensemble_logits",
    "estimate",
    "flops",
    "gain",
    "headline",
    "headline_by_seed",
    "holm",
    "in_words",
    "is_opened",
    "joint_level",
    "measure",
    "missing",
    "objective_by_seed",
    "pair_of",
    "resampled",
    "resolution",
    "same_size",
    "seeds_needed",
    "seeds_to_show",
    "seesaw",
    "summary",
    "title",
    "to_take",
    "trials_done",
    "values_by",
    "verdict",
]
