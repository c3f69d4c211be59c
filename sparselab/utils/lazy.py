"""Names that load on first use (PEP 562). A package lists them in the stub `__init__.pyi` beside its `__init__.py`.

Type checkers read the same stub, so the names are written down once. Each has a line "from .module import name as public".
"""

import importlib
import sys


def attach(package, file):
    """Return (__getattr__, __dir__, __all__) for `package`, whose `__init__.py` is `file`."""
    origin = origins(file.removesuffix(".py") + ".pyi")

    def load(name):
        if name not in origin:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = imported(package, *origin[name])
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted({*vars(sys.modules[package]), *origin}), list(origin)


def origins(stub):
    """{public name: (relative module, name there)} of a stub; read as text, because importing `ast` would take longer."""
    with open(stub, encoding="utf-8") as lines:
        words = [line.split() for line in lines if line.startswith("from ")]
    return {public: (module, name) for _, module, _, name, _, public in words}


def imported(package, module, name):
    """What `from module import name` gives inside the package: an attribute of the module, or a module inside it."""
    parent = None if module == "." else importlib.import_module(module, package)
    if hasattr(parent, name):
        return getattr(parent, name)
    return importlib.import_module(f"{module.removesuffix('.')}.{name}", package)
