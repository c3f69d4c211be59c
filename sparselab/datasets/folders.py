"""Where data files are: the folder in SPARSELAB_DATA, else data/ of the repository, else the user's cache folder."""

import os
from pathlib import Path

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
        return Path(chosen).expanduser()
    return repository_data() or _cache()


def repository_data():
    """Return data/ of the repository that contains this package, or None if it was installed without one."""
    root = Path(__file__).parents[2]
    return root / "data" if (root / "pyproject.toml").is_file() and (root / "data").is_dir() else None


def _cache():
    import pooch

    return Path(pooch.os_cache("sparselab"))
