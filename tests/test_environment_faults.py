"""The package works where surroundings are bad; the counts here are small, `make reliability` runs the whole."""

import pytest
from stress import environment

import sparselab as sl
from sparselab import kernels

compiled = pytest.mark.skipif(not kernels.JIT, reason="about compiled code")


@pytest.mark.slow
@compiled
def test_garbled_cache_files():
    assert environment.damaged_caches(["garbled"], each=False, code=environment.SMALL) == (1, 1)


@pytest.mark.slow
@compiled
def test_processes_that_start_cold_at_once():
    assert environment.cold_starts(2, code=environment.SMALL) == (2, 2)


@pytest.mark.slow
@compiled
def test_homes_nobody_can_write_to():
    found = environment.unwritable()
    assert {name: text for name, (text, _) in found.items()} == dict.fromkeys(found, "[1, 0, 2]")
    lines = {name: len(said) for name, (_, said) in found.items()}
    assert all(n <= 1 for n in lines.values()), found
    assert lines["NUMBA_CACHE_DIR cannot be written to"] == lines["nothing can be written to"] == 1


@pytest.mark.parametrize("case", [pytest.param("closed", marks=pytest.mark.slow), "open"])
def test_a_forked_child_trains(case):
    assert environment.forks([case]) == (1, 1)


def test_odd_names():
    good, tried = environment.odd_paths()
    assert good == tried == len(environment.ODD_NAMES)


def test_a_name_longer_than_a_file_system_takes_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises((OSError, ValueError)):
        sl.save(sl.SparseMLP.create((5, 4, 3), seed=0), tmp_path / ("e" * 300 + ".npz"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@compiled
@pytest.mark.timeout(900)
def test_damaged_caches_of_a_training():
    assert environment.damaged_caches(["flipped"], each=False) == (1, 1)
    assert environment.flipped_bits(2000) == (2000, 2000)


@pytest.mark.slow
@compiled
@pytest.mark.timeout(600)
def test_five_trainings_start_cold_at_once():
    assert environment.cold_starts(5) == (5, 5)
