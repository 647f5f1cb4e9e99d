"""hinet-search: which HiNet is best for our scenarios and tasks, and is it really better than the baselines?

The Python face, the same as the command line:

    import hinet_search
    plan = hinet_search.check("quickstart")     # every problem at once, and what the study will cost
    record = hinet_search.launch("quickstart")  # run or continue it, write the report
    record = hinet_search.load("quickstart")    # what is stored of it

Nothing heavy is imported before a function is called.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hinet_search.records import StudyRecord
    from hinet_search.search.plan import Plan

__all__ = ["check", "launch", "load"]


def check(study: str, **options: Any) -> "Plan":
    """Check a study by name or path without running it; options are those of `LaunchOptions`."""
    from hinet_search.face import check as run

    return run(study, **options)


def launch(study: str, **options: Any) -> "StudyRecord":
    """Run or continue a study by name or path and write its report; options are those of `LaunchOptions`."""
    from hinet_search.face import launch as run

    return run(study, **options)


def load(study: str, **options: Any) -> "StudyRecord":
    """The stored record of a study; options `storage` and `output` say where it is."""
    from hinet_search.face import load as run

    return run(study, **options)
