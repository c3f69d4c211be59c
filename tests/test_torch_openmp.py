"""sparselab.torch.openmp: all parts are done once, on PyTorch's threads, and what goes wrong in one of them is told."""

import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sparselab.engines import row_passes  # noqa: E402
from sparselab.torch.openmp import OpenMP  # noqa: E402

pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch


@pytest.fixture
def openmp():
    torch.ones(100_000).add(1)  # starts its runtime
    return OpenMP()


@pytest.mark.parametrize(("n", "threads"), [(1, 2), (2, 2), (7, 3), (1000, 2), (1000, 8)])
def test_each_part_is_done_once(openmp, n, threads):
    done = np.zeros(n, int)

    def work(begin, end):
        done[begin:end] += 1

    for _ in range(20):
        openmp.run(work, n, threads)
    assert (done == 20).all()


def test_the_caller_takes_part_and_others_are_openmps(openmp):
    if openmp.parallel is None:
        pytest.skip("PyTorch has another OpenMP here")
    seen, both = set(), threading.Barrier(2, timeout=20)

    def work(begin, end):
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            both.wait()  # neither can do it all

    before = {thread.ident for thread in threading.enumerate() if thread.name.startswith("sparselab")}
    openmp.run(work, 8, 2)
    assert len(seen) == 2
    assert threading.get_ident() in seen
    assert not before & seen


def test_an_error_is_raised_and_the_next_call_works(openmp):
    def work(begin, end):
        raise ZeroDivisionError(f"part {begin}")

    for _ in range(3):
        with pytest.raises(ZeroDivisionError, match="part"):
            openmp.run(work, 8, 2)
    total = []
    openmp.run(lambda begin, end: total.append(end - begin), 100, 2)
    assert sum(total) == 100


def test_threads_that_have_been_given_up_are_replaced_by_ours(openmp, monkeypatch):
    """As in a forked process, where OpenMP's threads are gone."""
    asked = []
    monkeypatch.setattr(row_passes.pool, "run", lambda *given: asked.append(given[1:]))
    openmp.give_up()
    openmp.run(print, 8, 2)
    assert asked == [(8, 2)]


def test_a_forked_process_computes(openmp):
    import os

    if not hasattr(os, "fork"):
        pytest.skip("no fork")
    from sparselab.torch import SparseLinear

    layer, X = SparseLinear(64, 64, density=0.5), torch.ones(4096, 64)
    row_passes_before = row_passes.WORTH_SHARING
    row_passes.WORTH_SHARING = 0
    try:
        torch.set_num_threads(2)
        wanted = layer(X).detach().numpy().tobytes()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, b"1" if layer(X).detach().numpy().tobytes() == wanted else b"0")
            os._exit(0)
        os.close(writer)
        answer = os.read(reader, 1)
        os.waitpid(child, 0)
        assert answer == b"1"
    finally:
        row_passes.WORTH_SHARING = row_passes_before
        torch.set_num_threads(1)
