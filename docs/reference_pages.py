"""The pages of the reference: every public name under one heading, in tables from which autosummary makes its page."""

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import public_api
from sphinx.ext.autodoc.mock import _MockObject, mock

import sparselab as sl
from sparselab.utils import lazy

_MockObject.__or__ = _MockObject.__ror__ = lambda self, other: self  # `torch.Tensor | None`, where torch is not installed
PACKAGE = Path(sl.__file__).parent
# Names of `sparselab` itself: heading -> the modules they come from. A name of another module is an error.
HEADINGS = {
    "Nets, layers and topologies": ("nn.mlp", "nn.linear", "nn.footprint", "topology"),
    "Training, runs and checkpoints": ("training", "checkpoints", "engines"),
    "Rules": ("evolution",),
    "Activations": ("nn.activations",),
    "Losses": ("nn.losses", "nn.output_losses"),
    "Optimizers": ("nn.optimizers", "nn.torch_optimizers"),
    "Starting values": ("nn.initializers",),
    "Parallel training": ("parallel",),
    "scikit-learn": ("estimators",),
    "Experiments and analysis": ("experiments", "analysis"),
}
MORE = ("parallel.backends", "torch")  # modules beside those that public_api lists


class Section(NamedTuple):
    """A heading, or none, the names that have a page of their own, those that stand elsewhere, and lines about other objects."""

    heading: str
    names: list
    elsewhere: list
    others: list


def sections(mocked=()):
    """{module as users spell it: (module, its sections)}; each function and class has its page where it comes first."""
    homes, found = {}, {}
    root, origins = {}, lazy.origins(str(PACKAGE / "__init__.pyi"))
    for name, (module, _) in origins.items():
        value = getattr(sl, name)
        if not isinstance(value, ModuleType):
            root.setdefault(heading_of(module), []).append(name)
            homes[id(value)] = f"sparselab.{name}"
    found["sparselab"] = sl, [Section(heading, root[heading], [], []) for heading in HEADINGS]
    with mock(mocked):
        for spelling in sorted((*public_api.MODULES, *MORE), key=lambda name: name.count(".")):
            module = public_api.module_of(spelling)
            if module not in [other for other, _ in found.values()]:
                found[f"sparselab.{spelling}"] = module, [section_of(module, homes)]
    return found


def heading_of(module):
    """The heading of HEADINGS for a module of the stub, such as ".nn.mlp"; KeyError if there is none."""
    for heading, modules in HEADINGS.items():
        if any(f"{module}.".startswith(f".{one}.") for one in modules):
            return heading
    raise KeyError(f"docs/reference_pages.py: HEADINGS has no heading for the names of {module}")


def section_of(module, homes):
    """The names of a module that is not the package itself."""
    names, elsewhere, others = [], [], []
    for name in public_api.public_names(module):
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            continue
        if not (inspect.isroutine(value) or inspect.isclass(value)):
            others.append(f"``{name}``: {shown(value)}")
        elif id(value) in homes:
            elsewhere.append(homes[id(value)])
        else:
            homes[id(value)] = f"{module.__name__}.{name}"
            names.append(name)
            if inspect.isclass(value):
                value.__name__ = name  # autodoc has no text for a class under another name than its own
    return Section("", names, elsewhere, others)


def escaped(lines):
    """Lines of a docstring as reStructuredText: they are plain text, in which |w| is a size and x_ a name."""
    found = []
    for line in lines:
        parts = re.split(r"(``.*?``|`[^`]*`)", line)
        if not re.match(r"\s*(>>>|\.\.\. )", line):
            parts[::2] = [re.sub(r"\||(?<=\w)_(?!\w)", lambda match: "\\" + match[0], part) for part in parts[::2]]
        found.append("".join(parts))
    return found


def shown(value):
    """An object that is neither a function nor a class: the keys of a table, or what makes it."""
    return ", ".join(f'``"{key}"``' for key in value) if isinstance(value, dict) else f"``{value!r}``"


def public(mocked=()):
    """The full names of all functions and classes that have a page."""
    return [f"{module.__name__}.{name}" for module, parts in sections(mocked).values() for part in parts for name in part.names]


def page(spelling, module, parts):
    """A page of tables, as reStructuredText."""
    title = spelling if spelling == module.__name__ else f"{spelling} ({module.__name__})"
    summary = inspect.getdoc(module).partition("\n\n")[0]
    lines = [title, "=" * len(title), "", f".. module:: {module.__name__}", "", *escaped(summary.splitlines()), ""]
    for part in parts:
        if part.heading:
            lines += [part.heading, "-" * len(part.heading), ""]
        if part.names:
            lines += [".. autosummary::", "   :toctree: ../names", "   :nosignatures:", "", *(f"   {n}" for n in part.names), ""]
        if part.elsewhere:
            lines += ["Also here: " + ", ".join(f":obj:`~{name}`" for name in part.elsewhere) + ".", ""]
        lines += [line for other in part.others for line in (other, "")]
    return "\n".join(lines)


def write(folder, mocked=()):
    """Write a page for each module into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for spelling, (module, parts) in sections(mocked).items():
        (folder / f"{spelling}.rst").write_text(page(spelling, module, parts) + "\n", encoding="utf-8")
