"""Warnings of a category are left out, also by several threads at once, and come again afterwards."""

import threading
import time
import warnings

import pytest

from hinet_search.common import quiet


def test_a_category_is_left_out_until_the_end_and_no_other_is() -> None:
    with quiet.without(FutureWarning):
        warnings.warn("of a library", FutureWarning, stacklevel=1)
        with pytest.warns(UserWarning, match="of a user"):
            warnings.warn("of a user", UserWarning, stacklevel=1)
    with pytest.warns(FutureWarning, match="of a library"):
        warnings.warn("of a library", FutureWarning, stacklevel=1)


def test_of_a_category_only_what_begins_so_is_left_out() -> None:
    with quiet.without(FutureWarning, beginning="of a library"):
        warnings.warn("of a library, which will change", FutureWarning, stacklevel=1)
        with pytest.warns(FutureWarning, match="of a user"):
            warnings.warn("of a user of a library", FutureWarning, stacklevel=1)


def test_threads_that_leave_out_warnings_at_once_hear_none_and_leave_the_filters_as_they_were() -> (
    None
):
    before, heard = list(warnings.filters), []

    def leave_out() -> None:
        for _ in range(20):
            with quiet.without(FutureWarning):
                time.sleep(0.001)  # another thread begins or ends meanwhile
                try:
                    warnings.warn("of a library", FutureWarning, stacklevel=1)
                except FutureWarning as warning:  # a warning is an error in tests
                    heard.append(warning)

    threads = [threading.Thread(target=leave_out) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not heard
    assert list(warnings.filters) == before
