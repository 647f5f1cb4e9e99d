"""Choice: which arm of a study is exported, and which seeds of its finalist."""

from dataclasses import dataclass
from typing import Literal

from hinet_search.compare import chosen, is_opened, to_take, verdict
from hinet_search.errors import ConfigurationError, StudyConflict, did_you_mean
from hinet_search.records import ArmRecord, FinalistRecord, FinalistRun, StudyRecord

Seeds = Literal["best", "all"]


@dataclass(frozen=True)
class Chosen:
    """What is exported, and why this arm where none was named."""

    arm: ArmRecord
    finalist: FinalistRecord
    seeds: tuple[int, ...]
    why: str

    @property
    def runs(self) -> tuple[FinalistRun, ...]:
        """What was recorded of those seeds."""
        return tuple(run for run in self.finalist.runs if run.seed in self.seeds)


def choose(record: StudyRecord, arm: str | None, seeds: Seeds) -> Chosen:
    """The finalist to export: that of the arm, or of the one that the verdict speaks for; one seed, or all of them.

    Errors: ConfigurationError for an arm that the study does not have, StudyConflict where it has nothing to export yet.
    """
    names = [one.name for one in record.arms]
    if arm is not None and arm not in names:
        raise ConfigurationError(
            f"study '{record.name}' has no arm '{arm}', known: {', '.join(names)}{did_you_mean(arm, names)}"
        )
    if record.state != "done":
        raise StudyConflict(
            f"study '{record.name}' must be done before an arm of it is exported, it is {record.state}",
            remedy=record.command or f"hinet-search launch {record.name}",
        )
    found, why = next(((one, "") for one in record.arms if one.name == arm), None) or to_take(record, verdict(record))
    finalist = chosen(found) if found is not None and is_opened(found) else None
    if found is None or finalist is None:
        which = f"arm '{arm}' of study '{record.name}'" if arm else f"study '{record.name}'"
        raise StudyConflict(
            f"{which} must have a finalist that was opened on test, but has none",
            remedy="see the failures of its finalists in the report, then launch the study again",
        )
    best = max if record.maximize else min
    one = best(finalist.runs, key=lambda run: run.valid_objective)
    return Chosen(found, finalist, tuple(run.seed for run in (finalist.runs if seeds == "all" else [one])), why)
