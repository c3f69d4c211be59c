"""Where data lies: the folder the user names, else the repository's data/, else the system's cache."""

import os
from pathlib import Path

VARIABLE = "SPARSELAB_DATA"


def data_folder():
    """The folder of fetched data and of a user's own files; not made before something is put there."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    return repository_data() or _cache()


def repository_data():
    """data/ of the repository this package is run from, or None where it was installed without one."""
    root = Path(__file__).parents[2]
    return root / "data" if (root / "pyproject.toml").is_file() and (root / "data").is_dir() else None


def _cache():
    import pooch

    return Path(pooch.os_cache("sparselab"))
