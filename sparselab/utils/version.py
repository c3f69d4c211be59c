"""The version of this package (pyproject.toml says the same, which a test compares) and of those it uses."""

__version__ = "0.1.0"


def versions(*packages):
    """{package: version, or None where it is not installed}."""
    import importlib.metadata

    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found
