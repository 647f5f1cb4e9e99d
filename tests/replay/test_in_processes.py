"""Benchmarks of memory: work in processes of its own returns, or is told to have failed."""

import multiprocessing
import os
import time

import pytest

from in_processes import run


def test_every_work_returns_its_result_in_order() -> None:
    megabytes, results = run((time.sleep, 0.3), (sum, [1, 2]))
    assert results == [None, 3]
    assert megabytes > 0


def test_a_process_that_dies_is_told_and_ends_the_others() -> None:
    before = set(multiprocessing.active_children())  # of tests that ran in this process earlier
    with pytest.raises(RuntimeError, match="ended with 3 in place of a result"):
        run((time.sleep, 6000), (os._exit, 3))
    assert set(multiprocessing.active_children()) <= before
