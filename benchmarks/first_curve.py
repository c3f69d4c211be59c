"""From `make lab` to a moving curve, on a machine that has never compiled a kernel: seconds, beside the GOAL.

`python -m benchmarks.first_curve`: JupyterLab is started by `make lab` with an empty home, so an empty cache; a browser opens the
first notebook as soon as it is served, runs its first cell and presses Start, and waits for the second picture of the curve. The
environment is there before. Needs the extra [test] and a Chromium.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import emit

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import browsing  # noqa: E402
from conftest import find_browser  # noqa: E402

NOTEBOOK, GOAL = "00_start_here.ipynb", 20  # seconds
OPTIONS = "--no-browser --ip=127.0.0.1 --IdentityProvider.token= --ServerApp.password= --LabApp.expose_app_in_browser=True"


def waiting_times(browser):
    """{what: seconds since `make lab`} of the first answer, the notebook and the curve."""
    port, found, begun = browsing.free_port(), {}, time.perf_counter()
    spent = lambda: time.perf_counter() - begun
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        settings = Path(home) / ".jupyter/lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps(browsing.QUIET["@jupyterlab/notebook-extension:tracker"]))  # cells out of sight are there
        kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
        command = ["make", "lab", f"LAB_ARGS={OPTIONS} --port={port}"]
        with (Path(home) / "log").open("w") as log:
            server = subprocess.Popen(
                command, cwd=ROOT, env=kept | {"HOME": home}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            address = f"http://127.0.0.1:{port}"
            browsing.wait_for(f"{address}/api", server, Path(home) / "log")
            found["JupyterLab answers"] = spent()
            with browsing.browsing(browser) as page:
                browsing.open_notebook(page, address, NOTEBOOK)
                found["the notebook is there"] = spent()
                page.locator(".jp-CodeCell .cm-content").first.click()
                page.keyboard.press("Shift+Enter")
                page.locator(".sparselab-start").click()
                page.locator(browsing.CURVE).wait_for(state="visible")
                first = browsing.source(page)
                browsing.until(lambda: browsing.source(page) != first, "a second picture", 60)
                found["the curve moves"] = spent()
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)
    return found


def main():
    found = waiting_times(find_browser())
    emit("first_curve", [{"what": what, "seconds": seconds} for what, seconds in found.items()])
    whole = found["the curve moves"]
    print(f"make lab to a moving curve: {whole:.1f} s (goal: ≤ {GOAL} s), {'met' if whole <= GOAL else 'MISSED'}")


if __name__ == "__main__":
    main()
