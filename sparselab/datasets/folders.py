"""Where data files are: the folder in SPARSELAB_DATA, else data/ of the repository, else the user's cache folder."""

import functools
import os
from contextlib import suppress
from pathlib import Path

from ..utils import checks

VARIABLE = "SPARSELAB_DATA"


def data_folder() -> Path:
    """Return the folder of downloaded data and of your own files.

    Returns
    -------
    pathlib.Path
        The folder in the environment variable SPARSELAB_DATA, else data/ of the repository, else the user's cache folder.
        It may not exist yet.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.datasets.data_folder().is_file()
    False
    """
    if chosen := os.environ.get(VARIABLE):
        return _chosen(chosen)
    return repository_data() or _cache()


@functools.cache
def _chosen(text):
    """A folder in SPARSELAB_DATA, absolute once: a change of the working directory does not lead to other data."""
    return Path(checks.absolute(VARIABLE, os.path.expanduser(text)))


def repository_data():
    """Return data/ of the repository that contains this package, or None if it was installed without one."""
    root = Path(__file__).parents[2]
    return root / "data" if (root / "pyproject.toml").is_file() and (root / "data").is_dir() else None


def _cache():
    import pooch

    return Path(pooch.os_cache("sparselab"))


if os.environ.get(VARIABLE):  # relative to the directory in which the program was started
    with suppress(ValueError):
        data_folder()
