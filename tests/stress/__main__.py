"""Measures every promise of docs/reliability.md and prints figure against goal; exit code 1 on a shortfall.

Each harness (a module here with `rows(scale)`) runs in a process of its own: a crash is a row that fell short, and what one
leaves in memory does not count for the next.
"""

import argparse
import importlib
import json
import pkgutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from tqdm.auto import tqdm

from . import __path__ as folders
from .common import Row

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
QUICK = 0.1
HARNESS_SECONDS = 4 * 3600


def harnesses():
    """Names of the modules of this folder that have rows, looked up in their text: importing one may fail."""
    names = [module.name for module in pkgutil.iter_modules(folders) if not module.ispkg and module.name != "__main__"]
    return [name for name in names if "\ndef rows(" in (Path(folders[0]) / f"{name}.py").read_text(encoding="utf-8")]


def work(name, scale, path):
    """Write the rows of one harness to a file as JSON."""
    found = importlib.import_module(f"{__package__}.{name}").rows(scale)
    Path(path).write_text(json.dumps([[row.what, str(row.figure), str(row.goal), bool(row.good), row.command] for row in found]))


def measured(name, scale):
    """The Rows of one harness; one Row that is not good where it cannot be run."""
    command = f"python -m {__package__} --only {name}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        arguments = [sys.executable, "-m", __package__, "--work", name, str(scale), str(path)]
        try:
            code = subprocess.run(arguments, cwd=ROOT, timeout=HARNESS_SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            return [Row(name, f"no end within {HARNESS_SECONDS} s", "runs", False, command)]
        if code or not path.exists():
            return [Row(name, f"ended with code {code}", "runs", False, command)]
        return [Row(*row) for row in json.loads(path.read_text())]


def table(rows):
    """Rows as aligned text, long cells in several lines."""
    widths, lines = (44, 44, 24), []
    for row in [Row("promise", "figure", "goal", True, ""), *rows]:
        cells = [textwrap.wrap(text, width) or [""] for text, width in zip(row[:3], widths, strict=True)]
        for i in range(max(map(len, cells))):
            parts = [(cell[i] if i < len(cell) else "").ljust(width) for cell, width in zip(cells, widths, strict=True)]
            lines.append("  ".join([*parts, "" if i else {True: "", False: "SHORT"}[bool(row.good)]]).rstrip())
    return "\n".join(lines)


def markdown(rows, scale):
    """Rows as the table of the document."""
    cell = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    lines = ["| promise | figure | goal | reached | found again by |", "|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {cell(row.what)} | {cell(row.figure)} | {cell(row.goal)} | {'yes' if row.good else '**no**'} | `{row.command}` |"
        )
    counts = "at full size" if scale >= 1 else f"with counts times {scale:g}"
    return "\n".join([f"Written by `python -m reliability --markdown`, {counts}; {machine()}.", "", *lines])


def renewed(document, text):
    """The document's table with the rows of `text` in the place of those that the same commands found."""
    _, _, rest = document.partition(BEGIN)
    old, new = ([line for line in part.splitlines() if line.startswith("| ")][1:] for part in (rest.partition(END)[0], text))
    command = lambda line: line.rsplit("|", 2)[1]
    commands = {command(line) for line in new}
    place = next((i for i, line in enumerate(old) if command(line) in commands), len(old))
    kept = [line for line in old[place:] if command(line) not in commands]
    head = text[: text.index("\n| ", text.index("|---|"))]
    return "\n".join([head, *old[:place], *new, *kept])


def machine():
    """Where the figures come from, in half a line."""
    from sparselab.experiments import environment

    found = environment.describe()
    versions = ", ".join(f"{name} {found[name]}" for name in ("python", "numpy", "numba") if name in found)
    return f"{found['cores']} cores, {versions}"


def write_into(document, text):
    """Replace what stands between the two marks of a document."""
    before, mark, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def parser():
    """The argument parser."""
    made = argparse.ArgumentParser(prog="python -m reliability", description=__doc__.splitlines()[0])
    made.add_argument(
        "--only", action="append", metavar="NAME", choices=harnesses(), help=f"one of {', '.join(harnesses())}; may be repeated"
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="the same as --only NAME")
    made.add_argument("--quick", action="store_true", help=f"counts times {QUICK:g}")
    made.add_argument("--scale", type=float, default=1.0, help="counts times this (default 1)")
    made.add_argument("--json", action="store_true", help="a JSON line a row in place of the table")
    made.add_argument("--markdown", action="store_true", help=f"write the rows into {DOCUMENT.relative_to(ROOT)}")
    made.add_argument("--work", nargs=3, metavar=("NAME", "SCALE", "FILE"), help=argparse.SUPPRESS)
    return made


def main(arguments=None):
    """Run the harnesses asked for; 0 if every goal was reached."""
    options = parser().parse_args(arguments)
    if options.work:
        name, scale, path = options.work
        work(name, float(scale), path)
        return 0
    chosen = [*(options.only or []), *options.names]
    if unknown := set(options.names) - set(harnesses()):
        parser().error(f"no harness of the name {unknown.pop()!r}: choose from {', '.join(harnesses())}")
    scale, found = QUICK if options.quick else options.scale, []
    bar = tqdm(chosen or harnesses(), "harnesses", position=0)
    for name in bar:
        bar.set_postfix_str(name)
        made = measured(name, scale)
        found += made
        if options.json:
            print(*(json.dumps(row._asdict() | {"harness": name, "scale": scale}) for row in made), sep="\n", flush=True)
    if not options.json:
        print(table(found))
    if options.markdown:
        document, text = DOCUMENT.read_text(encoding="utf-8"), markdown(found, scale)
        DOCUMENT.write_text(write_into(document, renewed(document, text) if chosen else text), encoding="utf-8")
    short = sum(not row.good for row in found)
    print(f"{len(found) - short} of {len(found)} goals reached", file=sys.stderr)
    return int(short > 0)


if __name__ == "__main__":
    sys.exit(main())
