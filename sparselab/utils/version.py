"""The version of this package (a test compares it with pyproject.toml) and of installed packages."""

__version__ = "0.1.0"


def versions(*packages):
    """Return {package: installed version, or None if it is not installed}."""
    import importlib.metadata

    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found
