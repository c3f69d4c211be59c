"""What every test shares: hypothesis profiles, the guard of the global generator, and where a browser is."""

import os
import shutil
import signal

import numpy as np
import pytest
from hypothesis import settings

# HYPOTHESIS_PROFILE=nightly looks for what a quick run cannot find. No deadline: the first call compiles.
settings.register_profile("dev", max_examples=30, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, print_blob=True)
settings.register_profile("nightly", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: Ctrl-C is to be heard all the same
    signal.signal(signal.SIGINT, signal.default_int_handler)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser():
    """Path of a Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


# pytest's workers take the files in this order (see PARALLEL in the Makefile): the long ones first, so that all end together.
LONG = (
    "test_browser_workbench.py", "test_browser.py", "test_without_jit.py", "test_inputs.py", "test_estimators.py",
    "test_resume.py", "test_widgets.py", "test_widgets_workbench.py", "test_widgets_pruning.py", "test_widgets_parallel.py",
    "test_training.py",
)  # fmt: skip


def pytest_ignore_collect(collection_path, config):
    """Tests of PyTorch are slow ones: where these are not asked for, its import, which takes seconds, is saved."""
    return True if collection_path.name.startswith("test_torch_") and config.option.markexpr == "not slow" else None


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


def pytest_runtest_setup(item):
    if item.get_closest_marker("browser") and find_browser() is None:
        pytest.skip(f"no browser on this machine (looked for {', '.join(BROWSERS)}): apt-get install chromium")


@pytest.fixture(scope="session")
def browser_path():
    """Path of the browser a test marked `browser` may start."""
    return find_browser()


def global_rng_state():
    """The state of numpy's global generator, in a form that can be compared."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 (it is watched here, not used)
    return name, keys.tobytes(), *rest


@pytest.fixture(autouse=True)
def global_rng_untouched():
    """Every random draw comes from a generator handed in: no test may move numpy's global one."""
    before = global_rng_state()
    yield
    assert global_rng_state() == before, "numpy's global generator was used"
