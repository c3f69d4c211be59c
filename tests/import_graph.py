"""The import graph of the package, read from its syntax trees: function-level imports count like all others."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "sparselab"


def modules(package=PACKAGE):
    """{dotted name: path} of every module of the package."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name, path, known):
    """The modules of `known` that the module `name` imports, at its top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, name, path)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found |= {full if full in known else base} & known.keys()
    return found - {name}


def absolute(node, name, path):
    """The dotted name of what an ImportFrom node imports from."""
    if not node.level:
        return node.module or ""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    parts = package[: len(package) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def graph(package=PACKAGE):
    """{module: set of modules it imports}."""
    known = modules(package)
    return {name: imported(name, path, known) for name, path in known.items()}


def circles(edges):
    """Strongly connected parts with more than one node (Tarjan), as sorted lists."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on_stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = []
            while True:
                part.append(stack.pop())
                on_stack.remove(part[-1])
                if part[-1] == node:
                    break
            if len(part) > 1:
                found.append(sorted(part))

    for node in edges:
        if node not in index:
            visit(node)
    return found


def folder_of(module, known):
    """The folder a module lies in; a package stands for itself."""
    return module if known[module].name == "__init__.py" else module.rpartition(".")[0]


def folders(package=PACKAGE):
    """{folder: set of other folders that its modules import}."""
    known, edges = modules(package), {}
    for module, others in graph(package).items():
        own = edges.setdefault(folder_of(module, known), set())
        own |= {folder_of(other, known) for other in others} - {folder_of(module, known)}
    return edges


def longest_chain(edges):
    """The longest chain of nodes that import each other, from the top down; the graph must have no circle."""
    best = {}

    def chain(node):
        if node not in best:
            best[node] = [node, *max((chain(other) for other in edges.get(node, ())), key=len, default=[])]
        return best[node]

    return max((chain(node) for node in edges), key=len)


if __name__ == "__main__":
    print("circles of modules:", circles(graph()))
    print("circles of folders:", circles(folders()))
    if not circles(folders()):
        print("longest chain:", longest_chain(folders()))
