"""What a long run leaves behind: the harness `stress.records` counts right, and a short run keeps its promises."""

import numpy as np
import pytest
from stress import records

MIB = 2**20


def test_pictures_are_counted_in_the_busiest_span():
    assert records.hertz([]) == records.hertz([1.0]) == 0.0
    assert records.hertz(np.arange(0, 20, 0.25)) == 4.0
    assert records.hertz([*np.arange(0, 20, 1.0), *np.arange(20, 22, 0.1)]) == pytest.approx(10, rel=0.11)


def test_growth_leaves_the_beginning_out_and_one_peak_counts_nothing():
    start = [(n, float(n), n * MIB) for n in range(20)]
    flat = [(n, float(n), 50 * MIB) for n in range(20, 100)]
    flat[40] = (60, 60.0, 500 * MIB)
    assert records.growth(start + flat, 100) == 0
    assert records.growth([(n, float(n), n * MIB) for n in range(100)], 100) == pytest.approx(72 * MIB, rel=0.02)


def test_a_run_that_becomes_slower_is_seen():
    even = [(n, 0.1 * n, 0) for n in range(1, 100)]
    assert records.slower(even) == pytest.approx(1)
    assert records.slower([(n, 0.001 * n * n, 0) for n in range(1, 100)]) > 3


def test_latencies_are_told_with_their_number():
    found = {"memory": [], "heard": [0.3, 0.1, 0.2], "stops": [2.0]}
    heard, stopped = records.timed(found, 100)[2:]
    assert heard[1:] == ("0.300 s, median 0.200 s (n = 3)", "<= 1", True)
    assert stopped[-1] is False
    assert records.timed(found | {"stops": []}, 100)[-1][-1] is False  # nothing measured is nothing shown


@pytest.mark.slow
@pytest.mark.parametrize("name", list(records.PANELS))
def test_a_run_in_a_kernel_keeps_every_promise_that_no_clock_decides(name):
    found, *sizes = records.watched(name, 60, stops=1)
    assert [row for row in records.steady(found, 60, *sizes) if not row[-1]] == []
    assert found["pictures"]
    assert found["memory"]
    assert len(found["stops"]) == 1
