"""A real JupyterLab (or Voilà) and a real browser for tests and screenshots: what they share."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import numpy as np
import pytest

import sparselab as sl

ROOT = Path(__file__).parents[1]
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync""".split()
QUIET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # cells out of sight are there, too
}
CURVE = ".sparselab-view-curves"
# Classes of what is cut off, or has a scroll bar below, in a panel or the page, and titles of axes that leave their picture.
CUT_OFF = """page => [...page.querySelectorAll("*")].filter(one => {
    const box = one.getBoundingClientRect(), style = getComputedStyle(one);
    const wide = one.scrollWidth > one.clientWidth + 1 && !one.matches("input, textarea, select");
    const hides = wide && style.overflowX != "visible";
    const lecture = one.closest(".sparselab-lecture");  // it has the whole window
    const edge = lecture ? innerWidth : document.querySelector(".jp-Notebook").getBoundingClientRect().right;
    const outside = box.right > edge + 1 || lecture && box.bottom > innerHeight + 1;
    const scrolls = one.closest(".sparselab-scroll") || one.closest(".noUi-target");  // a list of runs may, with its heads
    const picture = one.matches(".sparselab-curves text") && one.ownerSVGElement.getBoundingClientRect();
    const leaves = picture && (box.left < picture.left - 1 || box.right > picture.right + 1);
    return box.width && box.height && (hides || outside || leaves) && !scrolls;
}).map(one => one.ownerSVGElement ? one.textContent : one.className)"""
SIZE = {"width": 1366, "height": 768}  # of a laptop


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(port, folder):
    """JupyterLab on the loopback only, with nothing of the user's and no news."""
    settings = folder / "settings"
    settings.mkdir()
    (settings / "overrides.json").write_text(json.dumps(QUIET))
    return [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={folder / 'root'}",
        f"--LabApp.app_settings_dir={settings}", f"--LabApp.workspaces_dir={folder / 'workspaces'}",
        "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip


def command_of_voila(port, folder, name):
    """Voilà on the loopback only: this notebook as a page, without its code."""
    notebook = folder / "root/notebooks" / name
    return [sys.executable, "-m", "voila", str(notebook), "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}"]


def serving(folder, *notebooks):
    """URL of a JupyterLab over a copy of these notebooks in `folder`: what is typed there is saved there."""
    return served(folder, notebooks, lambda port: command(port, folder), "/api")


def serving_voila(folder, name):
    """URL of a page that is a copy of this notebook, executed anew each time it is opened."""
    return served(folder, [name], lambda port: command_of_voila(port, folder, name), "/voila/static/voila.js")


@cache
def compile_kernels():
    """Fill the cache of compiled kernels: what waits for a page must not wait for the compiler."""
    X, y = np.random.default_rng(0).standard_normal((256, 16), dtype=np.float32), np.arange(256) % 4
    for threads in (1, 2):
        model = sl.SparseMLP.create((16, 32, 32, 4), density=0.5, dropout=0.3, seed=0)
        list(sl.train(model, (X, y, X, y), rules=[sl.SET(0.3)], epochs=2, batch_size=64, seed=0, threads=threads))


@contextmanager
def served(folder, notebooks, command_for, sign):
    """URL of a server over a copy of these notebooks; it is up when it answers at `sign`."""
    compile_kernels()
    (folder / "root/notebooks").mkdir(parents=True)
    for name in notebooks:
        shutil.copy(ROOT / "notebooks" / name, folder / "root/notebooks")
    shutil.copytree(ROOT / "docs/images", folder / "root/docs/images")  # which their texts show
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    env = os.environ | own | {"IPYTHONDIR": str(folder / "ipython")}
    port = free_port()
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command_for(port), env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}{sign}", server, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url, server, log, timeout=60):
    end = time.monotonic() + timeout
    while time.monotonic() < end and server.poll() is None:
        try:
            return urlopen(url, timeout=1).close()
        except HTTPError:  # it is there, whatever it thinks of this address
            return None
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the server did not come up\n{log.read_text()[-2000:]}")


@contextmanager
def browsing(browser_path):
    """A page of the browser, as large as a laptop's screen."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def open_notebook(page, lab, name):
    page.goto(f"{lab}/lab/tree/notebooks/{name}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()  # JupyterLab forgets cells that are run before


def status(page):
    return page.locator(".sparselab-status").inner_text()


def source(page, picture=CURVE):
    """What changes whenever this picture is drawn anew, by the browser or as an image."""
    return page.locator(picture).evaluate("one => one.dataset.version ?? one.src")


def until(condition, what, timeout=30.0):
    """Seconds until it came."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < timeout, f"{what}: it did not come"
        time.sleep(0.02)
    return time.monotonic() - start
