"""Names that load on first use (PEP 562). A package lists them as imports in the stub `__init__.pyi` beside its `__init__.py`.

Type checkers read the same stub, so the names are written down once.
"""

import ast
import importlib
import sys
from pathlib import Path


def attach(package, file):
    """Return (__getattr__, __dir__, __all__) for `package`, whose `__init__.py` is `file`."""
    origin = origins(Path(file).with_suffix(".pyi"))

    def load(name):
        if name not in origin:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = imported(package, *origin[name])
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted({*vars(sys.modules[package]), *origin}), list(origin)


def origins(stub):
    """{name: (relative module, the name there)} of the imports in a stub."""
    imports = [node for node in ast.parse(stub.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    relative = lambda node: "." * node.level + (node.module or "")
    return {alias.asname or alias.name: (relative(node), alias.name) for node in imports for alias in node.names}


def imported(package, module, name):
    """What `from module import name` gives inside the package: an attribute of the module, or a module inside it."""
    parent = None if module == "." else importlib.import_module(module, package)
    if hasattr(parent, name):
        return getattr(parent, name)
    return importlib.import_module(f"{module.removesuffix('.')}.{name}", package)
