"""A page that is reloaded in the middle of a training, in a real JupyterLab whose notebook is trusted, as `make lab` has it.

And one whose notebook trains in another cell, after Run all.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from types import SimpleNamespace
from urllib.request import urlopen

import pytest
from browsing import CURVE, ROOT, browsing, free_port, open_notebook, serving, status, until, wait_for

NOTEBOOK = "00_start_here.ipynb"

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """JupyterLab with a notebook whose panel trains for long."""
    with serving(tmp_path, NOTEBOOK) as url:
        path = tmp_path / "root/notebooks" / NOTEBOOK
        path.write_text(json.dumps(with_long_training(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "DATA"))
        subprocess.run([sys.executable, "-m", "nbformat.sign", str(path)], check=True, capture_output=True)
        yield SimpleNamespace(url=url, path=path)


def with_long_training(notebook):
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).replace("= start_panel()", "= start_panel(epochs=100_000)")
        cell["source"] = cell["source"].replace("else (40, ", "else (100_000, ")
    return notebook


@pytest.fixture
def page(browser_path):
    with browsing(browser_path) as page:
        yield page


def run_first_cell(page):
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator(".sparselab-start").wait_for()


def state(page):
    return status(page).split()[1]


def test_a_panel_whose_kernel_was_restarted_says_so(lab, page):
    open_notebook(page, lab.url, NOTEBOOK)
    page.add_style_tag(content=".sparselab-pulse div { animation-delay: 18s !important; }")  # more than between two signs of life
    run_first_cell(page)
    line = page.locator(".sparselab-pulse div").first
    height = lambda: line.evaluate("line => line.getBoundingClientRect().height")
    end = time.monotonic() + 25
    while time.monotonic() < end:
        assert height() == 0
        time.sleep(0.5)
    page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").click()
    page.locator('.lm-Menu-item[data-command="kernelmenu:restart"]').click()
    page.locator(".jp-Dialog button", has_text="Restart").click()
    until(lambda: height() > 10, "the line")
    run_first_cell(page)
    until(lambda: height() == 0, "the panel of the new kernel")


def press(page, name, expected):
    page.locator(f".sparselab-{name}").click()
    until(lambda: state(page) == expected, expected)


def test_a_reloaded_page_finds_the_training_that_is_under_way(lab, page):
    open_notebook(page, lab.url, NOTEBOOK)
    run_first_cell(page)
    press(page, "start", "running")
    page.reload()  # before anything was saved: the file has the text of a panel
    page.locator(".jp-OutputArea", has_text="TrainingPanel: ").first.wait_for()
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    run_first_cell(page)
    until(lambda: state(page) == "running", "the training")
    press(page, "pause", "paused")
    press(page, "pause", "running")

    page.locator(".jp-CodeCell .cm-content").nth(1).click()
    page.keyboard.press("Control+s")
    until(lambda: "widget-view" in lab.path.read_text(encoding="utf-8"), "the saved notebook")
    page.reload()
    until(lambda: page.locator(".sparselab-status").count() and state(page) == "running", "the panel itself")
    page.locator(CURVE).wait_for(state="visible")
    other = page.context.browser.new_page()  # a second browser shows the same training, and stops it
    open_notebook(other, lab.url, NOTEBOOK)
    until(lambda: other.locator(".sparselab-status").count() and state(other) == "running", "the panel in the other page")
    press(other, "stop", "stopped")
    until(lambda: state(page) == "stopped", "the end in the first page")


def test_a_panel_answers_while_another_cell_trains(lab, page):
    open_notebook(page, lab.url, NOTEBOOK)
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    busy = page.locator(".jp-CodeCell", has_text="asyncio.to_thread(list").locator(".jp-InputPrompt", has_text="[*]")
    page.locator(".jp-OutputArea", has_text="in training (with velocity").first.wait_for()  # of the cell before it
    busy.wait_for()
    press(page, "start", "running")
    press(page, "stop", "stopped")
    assert busy.count() == 1


def test_what_make_lab_starts_serves_the_pictures_beside_the_notebooks(tmp_path):
    port = free_port()
    options = f"--no-browser --ip=127.0.0.1 --port={port} --IdentityProvider.token= --ServerApp.password="
    said = subprocess.run(["make", "-n", "lab", f"LAB_ARGS={options}"], cwd=ROOT, check=True, capture_output=True, text=True)
    command = next(line for line in said.stdout.splitlines() if "jupyter lab" in line)
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(shlex.split(command), cwd=ROOT, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}/api", server, tmp_path / "log")
        for path in (f"notebooks/{NOTEBOOK}", "docs/images/start_panel.png"):
            assert urlopen(f"http://127.0.0.1:{port}/api/contents/{path}?content=0", timeout=20).status == 200
    finally:
        server.terminate()
        server.wait(20)
