"""Optuna copies: keep the copies of a study's arms in Optuna's storage up to date while it runs."""

import time
from collections.abc import Sequence

from hinet_search.search.identity import distributions
from hinet_search.storage.store import StudyStore
from hinet_search.study.load_study import Arm

PAUSE_SECONDS = 5.0
SHARE = 0.2  # of a coordinator's time, the most that goes into copies while trials run


class OptunaCopies:
    """Copies what has changed since the last time."""

    def __init__(self) -> None:
        self._first_left: dict[str, int] = {}  # by arm: the trial from which on it is copied again
        self._next = 0.0

    def update_now_and_then(self, store: StudyStore, arms: Sequence[Arm]) -> None:
        """Update the copies, unless that was done a moment ago."""
        began = time.monotonic()
        if began < self._next:
            return
        self.update(store, arms)
        seconds = time.monotonic() - began
        self._next = began + max(PAUSE_SECONDS, seconds / SHARE)

    def update(self, store: StudyStore, arms: Sequence[Arm]) -> None:
        """Update the copies."""
        for arm in arms:
            first = self._first_left.get(arm.name, 0)
            self._first_left[arm.name] = store.copy_to_optuna(
                arm.name, distributions(arm.space), first
            )
