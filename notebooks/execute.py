"""Execute the notebooks in place, so that the committed outputs are those of the committed code.

`make notebooks` runs all of them; name some to run only those. An error in a cell stops everything, and
the notebook on disk stays as it was. What would differ on every run without meaning anything is taken out.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).parent
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def tidy(notebook):
    """Drop timings, the interpreter's version and views of widgets that live no longer (their text stays)."""
    notebook.metadata["kernelspec"] = dict(KERNEL)
    notebook.metadata.pop("widgets", None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        for key in ("execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def execute(path, timeout=1800):
    """Run one notebook in its own folder and write it back, tidied."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name=KERNEL["name"],
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    nbformat.write(tidy(notebook), path)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="all beside this script, if none is named")
    chosen = parser.parse_args(arguments).notebooks or sorted(HERE.glob("*.ipynb"))
    os.environ.pop("SPARSELAB_FAST", None)  # readers see the outputs of the full sizes
    for path in chosen:
        start = time.perf_counter()
        try:
            execute(path)
        except CellExecutionError as error:
            sys.exit(f"{path}: a cell failed, nothing was written\n{error}")
        print(f"{path}  {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
