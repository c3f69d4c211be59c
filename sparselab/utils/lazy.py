"""Public names that are imported on first use (PEP 562), so that importing a package stays fast."""

import importlib
import sys


def attach(package, names, modules=()):
    """Return the functions __getattr__ and __dir__ and the list __all__ for `package`.

    names: {module: [names it defines]}. modules: whole modules to expose, as a list or as {public name: module}. Module names
    are relative to the package: "mlp" is inside it, ".training" beside it.
    """
    module_of = {name: module for module, own in names.items() for name in own}
    whole = dict(modules) if isinstance(modules, dict) else {name: name for name in modules}
    public = [*module_of, *whole]

    def load(name):
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f".{module_of.get(name) or whole[name]}", package)
        value = getattr(module, name) if name in module_of else module
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted({*vars(sys.modules[package]), *public}), public
