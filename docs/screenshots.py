"""A picture of every panel in every notebook, as it looks after a run in JupyterLab on a laptop's screen (1366 × 768).

`make screenshots`, or `python docs/screenshots.py [05 08] [--out docs/images] [--views] [--looks]`. A notebook's panel is a cell
that calls `…_panel(` or `workbench(`; the cells before it run at the sizes of the tests, the panel itself at its real size.
`make looks` photographs every view of every panel in both themes and three widths of the window, to be looked at; there panels
have the sizes of the tests, too, and the one that needs PyTorch trains nets of this package where that is missing.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import browsing  # noqa: E402
from conftest import find_browser  # noqa: E402

MAKES = re.compile(r"^(?!.*import).*?\b(\w+_panel|workbench)\(", re.MULTILINE)
FULL = 'import os\n\nos.environ.pop("SPARSELAB_FAST", None)\nfast = False\n'
LONGEST = 90  # seconds that a training is watched; one that takes longer is stopped
WIDTHS = {900: 1200, 1366: 768, 1920: 1080}  # of the window, and its height
TALL = 1800  # height of a window in which every panel is seen as a whole
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
MOVED = 0.4  # seconds in which everything has its place in a window of another width
OWN = "flowers.csv"  # beside the notebook, so that the path is as short as a reader would type it
TWINS = """from types import SimpleNamespace

import sparselab as sl
from sparselab.nn import summary
from sparselab.widgets import twins_panel

digits = sl.datasets.load("digits")


def training(density, epochs):
    model = sl.SparseMLP.create((64, 100, 10), density=density, seed=0)
    for one in sl.train(model, digits, epochs=epochs, seed=0, threads=1):
        size = summary.rows(model)[-1]["training_bytes"]
        yield SimpleNamespace(epoch=one.epoch, accuracy=one.test_accuracy, seconds=one.seconds, links=sum(one.nnz), bytes=size)


begin = lambda density, epochs, pace: {"sparse": training(density, epochs), "dense": training(1.0, epochs)}
twins_panel(begin, epochs=3)"""
CALM, PATIENCE = 1.5, 30  # seconds without a new picture: all is drawn; seconds that this is waited for


def shortened(path, full):
    """(notebook without text and outputs, {number of a cell: name of the panel it makes}); full: panels at their real size."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    sizes = next("".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", []))
    made, panels = [], {}
    for cell in cells:
        source = "".join(cell["source"])
        if found := MAKES.search(source):
            made += [code(FULL + sizes)] if full and not panels else []
            panels[len(made)] = found[1]
        made.append(code(source))
    last = max(panels, default=-1)
    return notebook | {"cells": made[: last + 1]}, panels


def code(source):
    """A cell that was not run yet."""
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}


def photograph(path, out, browser, views=False, looks=False):
    """Files with the panels of one notebook."""
    notebook, panels = shortened(path, full=not looks)
    if not panels:
        return []
    if looks and not find_spec("torch"):
        for number in (number for number, name in panels.items() if name == "twins_panel"):
            notebook["cells"][number] = code(TWINS)
    with tempfile.TemporaryDirectory() as folder, browsing.serving(Path(folder), path.name) as lab:
        served = Path(folder) / "root/notebooks"
        (served / path.name).write_text(json.dumps(notebook), encoding="utf-8")
        flowers = "".join(f"{i % 7}.5,{i % 5}.2,{'rose' if i % 3 else 'tulip'}\n" for i in range(90))
        (served / OWN).write_text(f"petal,sepal,kind\n{flowers}", encoding="utf-8")
        with browsing.browsing(browser) as page:
            browsing.open_notebook(page, lab, path.name)
            page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
            page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
            ways = every_look if looks else as_it_is
            return [file for number, name in panels.items() for file in shots(page, number, name, out, views, ways)]


def as_it_is(page, tall=False):
    """The look of a laptop, and nothing in a file's name; tall: in a window of TALL pixels."""
    page.set_viewport_size(browsing.SIZE | ({"height": TALL} if tall else {}))
    time.sleep(MOVED)
    yield ""


def every_look(page, tall=False):
    """What is added to a file's name, after the window has been given each width and JupyterLab each theme."""
    for theme, full_name in THEMES.items():
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", full_name)
        page.locator(f"body[data-jp-theme-light='{str(theme == 'light').lower()}']").wait_for(state="attached")
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": TALL if tall else height})
            time.sleep(MOVED)
            yield f"_{theme}_{width}"


def shots(page, number, name, out, views, ways):
    """The files of one panel: as it looks after its training, then each tab of the page, or (views) each view of a panel."""
    cell = page.locator(".jp-Notebook .jp-Cell").nth(number)
    panel = cell.locator(".sparselab-page, .sparselab-panel").first
    panel.or_(cell.locator(".jp-OutputArea").get_by_text("With PyTorch:")).first.wait_for(timeout=300_000)
    if not panel.count():
        print(f"no {name}: it needs PyTorch")
        return []
    if panel.locator(".sparselab-start").count():
        train(panel)
    calm(panel)
    to_top(cell.locator(".jp-OutputArea").first)
    if name == "workbench":
        files = list(tabs_of_page(page, out, views, ways))
        page.locator(".sparselab-pages > .lm-TabBar .lm-TabBar-tab", has_text="Train").click()
        name = "workbench_train"
    else:
        files = [photo(panel, out / f"{name}{look}.png") for look in ways(page, tall=True)]
    tabs = panel.locator(".sparselab-tabs").first.locator(".lm-TabBar-tab")
    for i in range(tabs.count() if views else 0):
        tabs.nth(i).click()
        calm(panel)
        files += [photo(panel, out / f"{name}_{i}{look}.png") for look in ways(page, tall=True)]
    lecture = panel.locator(".sparselab-lecture-button").first
    if views and lecture.count():
        lecture.click()
        page.locator(".sparselab-lecture").wait_for()
        calm(panel)
        files += [photo(panel, out / f"{name}_lecture{look}.png", page) for look in ways(page)]
        lecture.click()
    return files


def photo(panel, file, page=None):
    """The file with the picture of a panel, or of the whole window if that is given; what is cut off is printed."""
    (page or panel).screenshot(path=str(file))
    if cut := panel.evaluate(browsing.CUT_OFF):
        print(f"{file.name}: cut off: {cut}")
    return file


def to_top(element):
    """Scroll it to the top of the window."""
    element.evaluate("element => element.scrollIntoView({block: 'start'})")


def tabs_of_page(page, out, views, ways):
    """The page's tabs, each as the whole window: what is seen without scrolling; views: those of Sweep and Compare, too."""
    for tab, (content, prepared) in TABS.items():
        page.locator(".sparselab-pages > .lm-TabBar .lm-TabBar-tab", has_text=tab).click()
        page.locator(content).wait_for(state="visible")
        prepared(page)
        calm(page.locator(".sparselab-page"))
        for look in ways(page):
            to_top(page.locator(".sparselab-page"))
            yield photo(page.locator(".sparselab-page"), out / f"workbench_{tab.lower()}{look}.png", page)
        inner = page.locator(".sparselab-page .sparselab-tabs .lm-TabBar-tab:visible")
        for i in range(1, inner.count() if views and tab != "Train" else 0):  # those of Train are photographed as of a panel
            inner.nth(i).click()
            calm(page.locator(".sparselab-page"))
            for look in ways(page):
                to_top(page.locator(".sparselab-page"))
                yield photo(page.locator(".sparselab-page"), out / f"workbench_{tab.lower()}_{i}{look}.png", page)


def own_data(page):
    """A small table of one's own."""
    page.locator(".sparselab-data-file input").fill(OWN)
    page.keyboard.press("Enter")
    page.locator(".sparselab-data-rows table").wait_for(state="visible")


def sweep(page):
    """The sweep that stands in the form, to its end."""
    page.locator(".sparselab-sweep-start").click()
    page.locator(".sparselab-sweep-status", has_text="finished").wait_for(timeout=240_000)
    page.locator(".sparselab-view-band").wait_for(state="visible")


def compare(page):
    """Two runs of that sweep."""
    runs = page.locator(".sparselab-compare .sparselab-runs select")  # the menu to sort by is a select, too
    runs.locator("option").nth(3).wait_for(state="attached")
    runs.select_option(index=[0, 2])
    page.locator(".sparselab-view-compared").wait_for(state="visible")


# Tab: (what is seen when it is open, what is done there before the picture)
TABS = {
    "Data": (".sparselab-data-start", own_data),
    "Train": (".sparselab-start", lambda page: None),
    "Sweep": (".sparselab-sweep-start", sweep),
    "Compare": (".sparselab-compare", compare),
    "Runs": (".sparselab-kept", lambda page: None),
}


def train(panel):
    """Press Start and wait until the training has ended."""
    panel.locator(".sparselab-start").first.click()
    status = lambda: (panel.locator(".sparselab-status").first.inner_text().split() + ["", ""])[1]
    end = time.monotonic() + LONGEST
    while status() not in ("finished", "failed", "stopped"):
        if time.monotonic() > end:
            panel.locator(".sparselab-stop").first.click()
        time.sleep(0.1)


def calm(panel):
    """Wait until no picture changes any more, and none is announced."""
    versions = "images => images.map(image => image.dataset.version ?? image.src).join()"
    pictures = lambda: panel.locator("img, [data-version]").evaluate_all(versions)
    before, since = pictures(), time.monotonic()
    end = since + PATIENCE
    while time.monotonic() - since < CALM and time.monotonic() < end:
        time.sleep(0.1)
        announced = any(hint.is_visible() for hint in panel.get_by_text("drawing …").all())
        if (now := pictures()) != before or announced:
            before, since = now, time.monotonic()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", help="notebooks by their number, such as 05; all if none is named")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images", help="folder of the pictures")
    parser.add_argument("--views", action="store_true", help="every tab of every panel, too (to look at, not to keep)")
    parser.add_argument("--looks", action="store_true", help="in both themes and three widths of the window, too")
    options = parser.parse_args(arguments)
    if not (browser := find_browser()):
        sys.exit("no browser on this machine: apt-get install chromium")
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ["SPARSELAB_FAST"] = "1"  # for the cells before a panel
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if not options.numbers or path.name[:2] in options.numbers:
            for file in photograph(path, options.out, browser, options.views, options.looks):
                print(file, f"{file.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
