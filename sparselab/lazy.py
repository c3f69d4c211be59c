"""Names that load on first use (PEP 562), for packages whose parts are heavy: one way for all of them."""

import importlib
import sys


def attach(package, homes, rooms=()):
    """(__getattr__, __dir__, __all__) of `package`: homes maps modules to the names they hold, rooms are whole modules."""
    home_of = {name: home for home, names in homes.items() for name in names}
    names = [*home_of, *rooms]

    def load(name):
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{home_of.get(name, name)}")
        value = getattr(module, name) if name in home_of else module
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted({*vars(sys.modules[package]), *names}), names
