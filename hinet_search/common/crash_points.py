"""Crash points: places between two dependent steps, where a test can make the process die.

`HINET_SEARCH_FAULT=after_end:3` ends every process the third time it reaches that point, as
`kill -9` would. Without the variable nothing happens.
"""

import os
from collections import Counter
from typing import Literal, get_args

OfCoordinator = Literal[
    "after_lease",
    "after_study_created",
    "after_paired_run",
    "after_inputs_fixed",
    "after_draw",
    "after_trial_row",
    "after_refusal",
    "after_attempt_row",
    "after_evaluation_row",
    "before_end",
    "after_end",
    "after_checkpoints_dropped",
    "after_finalist",
    "after_choice",
    "after_opening",
    "after_test_cells",
    "after_ensemble",
    "after_ensemble_opening",
    "after_ensemble_on_test",
    "after_summary",
    "after_refit",
    "after_phases",
    "after_state",
]
OfSlot = Literal[
    "before_file_renamed",
    "before_evaluation_sent",
    "after_evaluation_sent",
    "after_weights_before_result",
    "after_result",
    "after_scores_before_opened",
]
OfCheckpoint = Literal[
    "after_checkpoint_before_manifest",
    "after_manifest_before_old_dropped",
    "after_old_manifest_dropped",
]
COORDINATOR: tuple[str, ...] = get_args(OfCoordinator)
SLOT: tuple[str, ...] = get_args(OfSlot)
CHECKPOINT: tuple[str, ...] = get_args(OfCheckpoint)

VARIABLE = "HINET_SEARCH_FAULT"
EXIT_CODE = 86
_passes: Counter[str] = Counter()


def point(name: OfCoordinator | OfSlot | OfCheckpoint) -> None:
    """End the process here if the environment names this point; files are not flushed or closed."""
    setting = os.environ.get(VARIABLE)
    if setting is None:
        return
    wanted_name, _, number = setting.partition(":")
    _passes[name] += 1
    if name == wanted_name and _passes[name] == int(number or 1):
        os._exit(EXIT_CODE)
