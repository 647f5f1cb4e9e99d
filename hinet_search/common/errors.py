"""Errors: one root class, one exit code per kind, and one form for every message.

A message says where, what must hold, what was got, and the nearest remedy. Several problems are
reported together (`problems`). The command line prints them without a traceback.

    HinetSearchError            1
      ConfigurationError        2   a study, space, definition, option or argument is wrong
      DataError                 3   the data contradict their definition
      EnvironmentFault          4   database, device, disk or port is not usable
        TransientError                 4   ... and may be again soon: the operation is retried
          DatabaseAway          4   the database cannot be used now
          DiskFull              4   the disk has no room now
      StudyConflict             5   the study exists in another form, or another coordinator runs it
      AllTrialsFailed           6   every trial of the study failed
      Interrupted               129, 130 or 143, by the signal
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

from hinet_search.common.gone import gone

LONGEST = 100  # characters of a value that a message quotes
READ = 10_000  # of a longer text, in which passwords are sought
MOST_NAMES = 1_000  # among which the nearest to a word is sought
# A password in a URL, which may hold any sign but a space: all up to the last @ is taken for it.
_SECRET = re.compile(
    r"(://[^\s/:@]*:)[^\s\"'<>]+(?=@)"  # http://ann:SECRET@host
    r"|(https?://)[^\s/:@]+(?=@)"  # http://TOKEN@host
    r"|(?<=:)[^\s/@]+(?=@)"  # ann:SECRET@host
    r"|(?<=password=)[^\s&\"']+"
)


class HinetSearchError(Exception):
    """Root of all errors that a user may meet; `problems` and `remedy` are without passwords."""

    exit_code = 1

    def __init__(self, *problems: str, remedy: str = "") -> None:
        self.problems = problems = tuple(map(hide_passwords, problems))
        self.remedy = remedy = hide_passwords(remedy)
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


class TransientError(EnvironmentFault):
    """Something is not usable now and may be again soon; `over` is the message when it is."""

    over = ""


class DatabaseAway(TransientError):
    """The database cannot be used now: it is locked, full, or cannot be reached."""

    over = "the database is back"


class DiskFull(TransientError):
    """The disk has no room now for a file."""

    over = "the disk has room again"


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


def shortened(text: str) -> str:
    """Shorten a long text for a message to its beginning and its length, and hide passwords."""
    quoted = hide_passwords(text[:READ])
    return quoted if len(text) <= LONGEST else f"{quoted[:LONGEST]}... ({len(text):,} characters)"


def hide_passwords(text: str) -> str:
    """Replace the passwords of URLs in a text, such as the message of a library, by `***`."""
    return _SECRET.sub(r"\1\2***", text)


def gone_or_similar(word: str, known: Iterable[str]) -> str:
    """Return `; 'refit' is gone since 1.0: ...`, or as `did_you_mean`, for a name of this project.

    Names that users choose, such as columns, are never gone.
    """
    reason = gone(word)
    return f"; {reason}" if reason else did_you_mean(word, known)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'epochs'?` for the nearest known name, or an empty string."""
    name = nearest(word, known)
    return f"; did you mean '{name}'?" if name else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known name that is most like a word, or an empty string.

    The last parts of dotted names must be similar: `train.lr` and `train.clip_norm` share only
    their section. Long names, and names among very many, are not compared, which takes long.
    """
    from difflib import get_close_matches  # only errors need it

    names = [name for name in map(str, known) if len(name) <= LONGEST]
    if len(word) > LONGEST or len(names) > MOST_NAMES:
        return ""
    last_parts = [_last_part(name) for name in names]
    similar_parts = get_close_matches(_last_part(word), last_parts, n=1, cutoff=0.6)
    if not similar_parts:
        return ""
    candidates = [name for name in names if _last_part(name) == similar_parts[0]]
    (best,) = get_close_matches(word, candidates, n=1, cutoff=0.0)
    return best


def _last_part(name: str) -> str:
    return name.rpartition(".")[2]


class ErrorCollector:
    """Collects the problems of several parts of a configuration to report them together."""

    def __init__(self) -> None:
        self._errors: list[ConfigurationError] = []

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Collect a ConfigurationError that is raised inside, and continue."""
        try:
            yield
        except ConfigurationError as error:
            self._errors.append(error)

    def raise_if_any(self) -> None:
        """Raise one ConfigurationError with every distinct problem and remedy, if there are any."""
        if self._errors:
            of_errors = [error.problems for error in self._errors]
            problems = dict.fromkeys(chain.from_iterable(of_errors))
            remedies = dict.fromkeys(error.remedy for error in self._errors if error.remedy)
            raise ConfigurationError(*problems, remedy="\n".join(remedies)) from self._errors[0]
