"""Sequences: the ids of gaps and labels."""

import numpy as np

from hinet_search.data.derived.event_log import Moments
from hinet_search.data.derived.sequences import encode_sequences, gap_ids, sequence_vocabularies
from tests.data.event_tables import TASKS
from tests.data.sequence_tables import VOCABULARIES, sequences_of_log


def test_a_gap_is_the_logarithm_of_its_seconds_whatever_the_unit() -> None:
    seconds = np.array([0, 1, 2, 3, 6, 7, 2**29 - 1, 2**30 - 2, 2**30 - 1, 2**40])
    expected = [1, 2, 2, 3, 3, 4, 30, 30, 31, 31]
    assert gap_ids(seconds, 1).tolist() == expected
    assert gap_ids(seconds * 1000 + 999, 1000).tolist() == expected


def test_no_minimum_frequency_leaves_out_what_is_known_of_a_label_or_a_gap() -> None:
    vocabularies = sequence_vocabularies(sequences_of_log(0).sequences)
    assert [(each.name, each.size) for each in vocabularies] == [
        ("seen buy", 4),
        ("seen click", 4),
        ("seen gap", 32),
        ("priced gap", 32),
    ]
    assert min(int(each.table["count"].min()) for each in vocabularies) > 10**9


def test_times_far_apart_are_a_long_gap() -> None:
    of_log = sequences_of_log(1)
    far = Moments(of_log.log.moments.time_R * 10**12, "s")
    slots = encode_sequences(of_log.sequences, of_log.log.rows, TASKS, far, VOCABULARIES)
    assert max(int(slots_RS.max(initial=0)) for slots_RS in slots) <= 31
