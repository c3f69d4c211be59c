"""What a long run leaves behind: the harness `reliability.records` counts right, and a short run keeps its promises."""

import numpy as np
import pytest

from reliability import records

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


@pytest.mark.xfail(strict=False, reason="a ratio of times, which an unquiet machine spoils: belongs into the harness alone")
@pytest.mark.slow
@pytest.mark.parametrize("name", list(records.PANELS))
def test_a_run_in_a_kernel_keeps_every_promise(name):
    found = records.rows_of(name, 400)
    assert [row.what for row in found if not row.good] == []
    assert any("pictures" in row.what and not row.figure.endswith("(0)") for row in found)
