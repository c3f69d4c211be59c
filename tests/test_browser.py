"""The newcomer's path in a real browser: JupyterLab opens on 00, two clicks, and a curve moves.

On 04 a threshold is dragged, on 05 workers train.

What only shows here: callbacks that come through the front end while a training runs, pictures that arrive, keys on a slider.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK, PRUNING, PARALLEL = "00_start_here.ipynb", "04_importance_pruning.ipynb", "05_parallel_training.ipynb"
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync""".split()
QUIET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # cells out of sight are there, too
}
CURVE = ".sparselab-view-curves"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


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
    ]  # fmt: skip


@pytest.fixture
def lab(tmp_path):
    """URL of a JupyterLab over a copy of the notebooks: what is typed here is saved there."""
    (tmp_path / "root/notebooks").mkdir(parents=True)
    for name in (NOTEBOOK, PRUNING, PARALLEL):
        shutil.copy(ROOT / "notebooks" / name, tmp_path / "root/notebooks")
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    env = os.environ | own | {"IPYTHONDIR": str(tmp_path / "ipython")}
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command(port, tmp_path), env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}/api", server, tmp_path / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url, server, log, timeout=60):
    end = time.monotonic() + timeout
    while time.monotonic() < end and server.poll() is None:
        try:
            return urlopen(url, timeout=1).close()
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not come up\n{log.read_text()[-2000:]}")


@pytest.fixture
def page(browser_path):
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


@pytest.fixture
def fast(monkeypatch):
    """Kernels of small sizes; to be asked for before `lab`."""
    monkeypatch.setenv("SPARSELAB_FAST", "1")


def open_notebook(page, lab, name):
    page.goto(f"{lab}/lab/tree/notebooks/{name}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()  # JupyterLab forgets cells that are run before


def status(page):
    return page.locator(".sparselab-status").inner_text()


def source(page):
    return page.locator(CURVE).get_attribute("src")


def until(condition, what, timeout=30.0):
    """Seconds until it came."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < timeout, f"{what}: it did not come"
        time.sleep(0.02)
    return time.monotonic() - start


def test_two_clicks_to_a_moving_curve(lab, page):
    opened = time.monotonic()
    open_notebook(page, lab, NOTEBOOK)
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")  # click 1: run the first cell

    page.locator(".sparselab-start").click()  # click 2: Start
    page.locator(CURVE).wait_for(state="visible")
    first = source(page)
    assert first.startswith(("blob:", "data:"))
    until(lambda: source(page) != first, "a second picture")
    print(f"\nseconds from opening to the first moving curve: {time.monotonic() - opened:.1f}")
    assert "running" in status(page)

    assert "learning rate 0.01 " in status(page)
    page.locator(".sparselab-learning_rate .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    spent = until(lambda: "learning rate 0.0112 " in status(page), "the new learning rate")
    print(f"seconds until the slider's value reached the training: {spent:.2f}")

    page.locator(".sparselab-stop").click()
    spent = until(lambda: status(page).split()[1] == "stopped", "stopped")
    print(f"seconds until Stop was answered: {spent:.2f}")
    assert spent < 2
    assert page.locator(".sparselab-panel details").count() == 0  # no error
    if folder := os.environ.get("SPARSELAB_SHOTS"):
        page.screenshot(path=str(Path(folder) / "browser.png"))


@pytest.mark.slow
def test_a_threshold_is_dragged_and_a_net_shrinks(fast, lab, page):
    open_notebook(page, lab, PRUNING)
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()

    picture = page.locator(".sparselab-view-trade-off").first  # the one of the threshold panel stands first
    picture.wait_for(state="visible")
    first, table = picture.get_attribute("src"), page.locator(".sparselab-panel").first.locator("table").inner_text()
    page.locator(".sparselab-amount .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    spent = until(lambda: picture.get_attribute("src") != first, "the mark at another place")
    print(f"\nseconds until the mark had moved: {spent:.2f}")
    until(lambda: page.locator(".sparselab-panel").first.locator("table").inner_text() != table, "another table")

    assert "50-50 → 20-20" in page.locator(".sparselab-plan").inner_text()
    page.locator(".sparselab-start").click()
    until(lambda: status(page).split()[1] == "finished", "the end of the training", 60)
    until(lambda: "784-20-20-10" in page.locator(".sparselab-glance").inner_text(), "the smaller net")
    assert page.locator(".sparselab-panel details").count() == 0  # no error
    if folder := os.environ.get("SPARSELAB_SHOTS"):
        page.locator(".sparselab-panel").last.screenshot(path=str(Path(folder) / "pruning_panel.png"))


@pytest.mark.slow
def test_workers_train_and_what_they_did_is_seen(fast, lab, page):
    open_notebook(page, lab, PARALLEL)
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()

    page.locator(".sparselab-plan").wait_for(timeout=120_000)
    plan = lambda: page.locator(".sparselab-plan").inner_text()
    assert "2 workers send gradients, and nobody waits" in plan()
    page.locator(".sparselab-synchronous input").check()
    until(lambda: "all wait for all" in plan(), "the plan of the other phase 1")
    page.locator(".sparselab-start").click()
    until(lambda: status(page).split()[1] == "finished", "the end of the training", 60)
    for title, name in (("timeline", "workers"), ("staleness", "staleness"), ("average", "average")):
        page.locator(".lm-TabBar-tab", has_text=title).first.click()
        page.locator(f".sparselab-view-{name}").wait_for(state="visible")
    assert page.locator(".sparselab-panel details").count() == 0  # no error
    if folder := os.environ.get("SPARSELAB_SHOTS"):
        page.locator(".sparselab-panel").last.screenshot(path=str(Path(folder) / "parallel_panel.png"))
