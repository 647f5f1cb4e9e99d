"""Errors: one root class, one exit code per kind, and the form every message has.

A message says where, what must hold, what was got, and the nearest remedy. Several problems found at once are
reported at once (`problems`). The command line prints them without a traceback.

    HinetSearchError            1
      ConfigurationError        2   a study, space, definition, option or argument is wrong
      DataError                 3   the data contradict their definition
      EnvironmentFault          4   database, device, disk or port is not usable
        MayPass                 4   ... and may be again soon: it is waited for
          DatabaseAway          4   the database cannot be used now
          DiskFull              4   the disk has no room now
          ExchangeAway          4   the exchange of files between nodes cannot be used now
      StudyConflict             5   the study exists in another form, or somebody else runs it
      AllTrialsFailed           6   every trial of the study failed
      Interrupted               129, 130 or 143, by the signal
"""

from collections.abc import Iterable
from difflib import get_close_matches


class HinetSearchError(Exception):
    """Root of all errors that a user may meet; `problems` holds one line each."""

    exit_code = 1

    def __init__(self, *problems: str, remedy: str = "") -> None:
        self.problems = problems
        self.remedy = remedy
        super().__init__("\n".join([*problems, *([remedy] if remedy else [])]))


class ConfigurationError(HinetSearchError):
    """A study, space, definition, option or argument is wrong."""

    exit_code = 2


class DataError(HinetSearchError):
    """The data contradict their definition."""

    exit_code = 3


class EnvironmentFault(HinetSearchError):
    """Something outside the study is not usable: database, device, disk, port."""

    exit_code = 4


class MayPass(EnvironmentFault):
    """Something is not usable now and may be again soon; `over` says that it is."""

    over = ""


class DatabaseAway(MayPass):
    """The database cannot be used now: it is locked, full, or cannot be reached."""

    over = "the database is back"


class DiskFull(MayPass):
    """The disk has no room now for what is to be written."""

    over = "the disk has room again"


class ExchangeAway(MayPass):
    """The exchange of files between nodes cannot be used now, as its driver says."""

    over = "the exchange is back"


class StudyConflict(HinetSearchError):
    """The study exists in another form, or another coordinator holds it."""

    exit_code = 5


class AllTrialsFailed(HinetSearchError):
    """No trial of the study gave a value."""

    exit_code = 6


class Interrupted(HinetSearchError):
    """A signal stopped the command; what was finished is kept."""

    def __init__(self, *problems: str, signal_number: int, remedy: str = "") -> None:
        super().__init__(*problems, remedy=remedy)
        self.exit_code = 128 + signal_number


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'epochs'?` for the nearest known name, or an empty string."""
    found = nearest(word, known)
    return f"; did you mean '{found}'?" if found else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name that is most like a word, or an empty string.

    Of dotted names the last parts must be alike: `train.lr` and `train.clip_norm` share nothing but their section.
    """
    names = [str(name) for name in known]
    near = get_close_matches(_last_part(word), [_last_part(name) for name in names], n=1, cutoff=0.6)
    if not near:
        return ""
    (found,) = get_close_matches(word, [name for name in names if _last_part(name) == near[0]], n=1, cutoff=0.0)
    return found


def _last_part(name: str) -> str:
    return name.rpartition(".")[2]
