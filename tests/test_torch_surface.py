"""The public names of sparselab.torch: annotations, docstrings and examples, as test_public_surface.py asks of the others."""

import doctest
import importlib

import pytest
import test_public_surface as surface

torch = pytest.importorskip("torch")
import sparselab.torch as st  # noqa: E402

pytestmark = pytest.mark.slow  # `make test-slow` installs PyTorch
torch.set_num_threads(1)  # threads of OpenMP spin, which a machine that runs other tests pays for
PUBLIC = {surface.full_name(value): value for value in (getattr(st, name) for name in st.__all__)}
PUBLIC |= {name: one for kind in [*PUBLIC.values()] if isinstance(kind, type) for name, one in surface.members(kind).items()}
OURS = {name: value for name, value in PUBLIC.items() if name.startswith("sparselab.torch.")}


def test_every_parameter_and_the_result_are_annotated():
    assert {name: found for name, value in OURS.items() if (found := surface.unannotated(value))} == {}


def test_numpydoc_accepts_the_docstrings():
    assert {name: found for name, value in OURS.items() if (found := surface.faults(name, value))} == {}


@pytest.mark.parametrize("module", sorted({surface.function_of(value).__module__ for value in OURS.values()}))
def test_examples_run(module):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(importlib.import_module(module), optionflags=flags).failed == 0
