"""Writes the measured figures into the documents, from the rows in benchmarks/results.

`python -m benchmarks.report` lists the markers and pictures that differ from the rows (exit code 1 if there are any), `--write`
fills them in and draws them, `--plan` prints the commands that measure everything again, as a shell script, with the minutes they
take.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from benchmarks import kept, repertoire
from benchmarks.markers import fill, outdated
from benchmarks.tables import FUNCTIONS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/guide").glob("*.md")),
]  # fmt: skip
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# pictures that are drawn from kept rows: what is drawn, and how; the picture holds a digest of it
PICTURES = {
    ROOT / "docs" / "images" / "repertoire.png": (lambda: repertoire.points_of(kept.Kept("repertoire")), repertoire.figure)
}

# (command, minutes on two cores, what it needs beyond the package)
PLAN = [
    ("python -m benchmarks.kernels", 1, ""),
    ("python -m benchmarks.training", 5, "FashionMNIST, PyTorch"),
    ("python -m benchmarks.small", 2, "PyTorch"),
    ("python -m benchmarks.rule_speed", 2, "FashionMNIST"),
    ("python -m benchmarks.sparse_inputs", 16, "3 GiB of memory"),
    ("python -m benchmarks.both_ends --folder FOLDER", 10, "FOLDER of the .npz files that it names"),
    ("python -m benchmarks.both_ends --choose --folder FOLDER", 20, "FOLDER of the .npz files that it names"),
    ("python -m benchmarks.large_outputs", 15, "4 GiB of memory"),
    ("python -m benchmarks.torch_layers --figure docs/images/torch_break_even.png", 30, "PyTorch, a compiler for C++"),
    ("python -m benchmarks.torch_training", 20, "PyTorch"),
    ("python -m benchmarks.startup", 1, ""),
    ("python -m benchmarks.first_curve", 1, "the extra [test], Chromium"),
    ("python -m benchmarks.defaults", 5, ""),
    ("python -m benchmarks.evolution", 2, ""),
    ("python -m benchmarks.growth --figure docs/images/growth.png", 15, "8 GiB of memory"),
    ("python -m benchmarks.accuracy", 10, "FashionMNIST"),
    ("python -m benchmarks.selection", 10, ""),
    ("python -m benchmarks.selection --search", 20, ""),
    ("python -m benchmarks.importance --higgs FOLDER", 25, "FashionMNIST, FOLDER/higgs_sample.npz"),
    ("python -m benchmarks.importance --only choose --higgs FOLDER", 30, "FashionMNIST, FOLDER/higgs_sample.npz"),
    ("python -m benchmarks.questions", 60, "FashionMNIST"),
    ("python -m benchmarks.repertoire --data fashion_mnist mnist", 720, "FashionMNIST, MNIST"),
    ("python -m benchmarks.parallel --only times --workers 2 --epochs 5 --rounds 5", 8, "FashionMNIST"),
    ("python -m benchmarks.parallel --only times --workers 2 --epochs 5 --backends dask dask-tcp", 5, "the extra [cluster]"),
    (
        "python -m benchmarks.parallel --only times --workers 2 --epochs 5 --backends dask dask-team --kinds WASAP"
        " --steps-per-push auto",
        5,
        "the extra [cluster]",
    ),
    ("python -m benchmarks.parallel --only cifar --workers 2 --epochs 3 --rounds 5 --cifar FILE", 10, "FILE of JPEG images"),
    ("python -m benchmarks.parallel --only traffic accuracy", 10, "FashionMNIST"),
    ("python -m benchmarks.parallel --only cluster-accuracy", 8, "FashionMNIST, the extra [cluster]"),
    ("python -m benchmarks.throttled", 3, "the extra [cluster]"),
    ("python -m benchmarks.split_net", 10, "20 GiB of memory"),
    ("python -m benchmarks.simulation", 20, ""),
    ("python -m benchmarks.machines", 3, ""),
    ("python -m benchmarks.scale --figure docs/images/scale.png", 10, "11 GiB of memory"),
    ("python -m benchmarks.record", 10, "18 GiB of memory"),
    ("python -m benchmarks.interrupts", 20, "11 GiB of memory, 4 GB of disk"),
    ("python -m benchmarks.peers --figure docs/images/break_even.png", 45, "FashionMNIST, a network for the peers' environments"),
    ("python -m benchmarks.paper times --npz FOLDER", 10, "FashionMNIST, PyTorch, FOLDER of .npz files"),
    ("python -m benchmarks.paper all --npz FOLDER", 900, "the same; `--plan` prints it in detail"),
    ("python -m benchmarks.paper table5 --folder FOLDER", 120, "24 GiB of memory, 3 GB of disk in FOLDER"),
    ("python -m benchmarks.paper features --npz FOLDER", 60, "MNIST, FOLDER of .npz files"),
    ("python -m benchmarks.paper challenge --npz FOLDER", 2, "MNIST, FOLDER/graphchallenge1024.npz"),
    ("python -m benchmarks.paper figures", 0, ""),
    ("python -m benchmarks.report --write", 0, ""),
]


def name_of(path):
    """A document's path from the top of the repository."""
    return path.relative_to(ROOT).as_posix() if ROOT in path.parents else path.name


def texts(path):
    """[(place, text)] of a document, or of a notebook's cells of text."""
    if path.suffix != ".ipynb":
        return [(name_of(path), path.read_text(encoding="utf-8"))]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    chosen = [(n, "".join(cell["source"])) for n, cell in enumerate(cells) if cell["cell_type"] == "markdown"]
    return [(f"{name_of(path)}, cell {n}", text) for n, text in chosen]


def differences():
    """Lines that name each marker whose text is not what the kept rows give."""
    found = []
    for path in [*DOCUMENTS, *NOTEBOOKS]:
        for place, text in texts(path):
            found += [f"{place}: {expression}: {old!r}, should be {new!r}" for expression, old, new in outdated(text, FUNCTIONS)]
    return found + [f"{name_of(path)}: not drawn from the kept rows" for path, *_ in old_pictures()]


def digest_of(points):
    """What a picture of these numbers holds."""
    return hashlib.sha256(json.dumps(points).encode()).hexdigest()


def old_pictures():
    """[(path, points, how)] of the pictures that were not drawn from the rows of today."""
    found = []
    for path, (points_of, draw) in PICTURES.items():
        if (points := points_of()) and digest_of(points).encode() not in (path.read_bytes() if path.exists() else b""):
            found.append((path, points, draw))
    return found


def write(path):
    """Fill in the markers of a document or notebook; whether anything changed."""
    old = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        notebook = json.loads(old)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = fill("".join(cell["source"]), FUNCTIONS).splitlines(keepends=True)
        new = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n" if notebook != json.loads(old) else old
    else:
        new = fill(old, FUNCTIONS)
    if new != old:
        path.write_text(new, encoding="utf-8", newline="\n")
    return new != old


def plan():
    """The commands of PLAN as lines of a shell script."""
    return [f"{command}  # {minutes} min{'; needs ' * bool(needs)}{needs}" for command, minutes, needs in PLAN]


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="fill in the markers")
    parser.add_argument("--plan", action="store_true", help="print the commands that measure everything again")
    chosen = parser.parse_args(argv)
    if chosen.plan:
        print("\n".join(plan()))
    elif chosen.write:
        written = [path for path in [*DOCUMENTS, *NOTEBOOKS] if write(path)]
        for path, points, draw in old_pictures():
            draw(points, path, Description=digest_of(points))
            written.append(path)
        print("\n".join(f"written: {name_of(path)}" for path in written) or "nothing has changed")
    else:
        found = differences()
        print("\n".join(found) or "every marker says what the kept rows give")
        return 1 if found else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
