"""What tests do with an arm's search: finish a trial, use the budget up, read what is stored."""

from collections.abc import Callable

from optuna.trial import TrialState

from hinet_search.search.arm_search import ArmSearch, DrawnTrial
from hinet_search.storage.engine import Database
from hinet_search.storage.load import load_record
from tests.search import studies

Begin = Callable[..., ArmSearch]


def complete(search: ArmSearch, asked: DrawnTrial, value: float = 0.7) -> None:
    search.on_evaluation(asked.number, studies.evaluation(1, value))
    search.finish(asked.number, TrialState.COMPLETE, value, studies.COST, "")


def run_to_the_end(search: ArmSearch) -> list[DrawnTrial]:
    done = []
    while (asked := search.ask()) is not None:
        complete(search, asked, 0.6 + 0.01 * asked.number)
        done.append(asked)
    return done


def record(opened: list[Database]):
    return load_record(opened[-1], "tiny").arms[0]
