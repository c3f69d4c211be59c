"""A kernel is restarted while a training runs: the page offers to resume it. On a page of its own, with no runs before."""

import re

import psutil
import pytest
from browsing import until
from test_browser_workbench import epoch, kernels, open_fold, page, restart, shot, show, start, state, stop  # noqa: F401

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("processes", [False, True])
def test_the_run_that_a_restart_ended_is_offered(page, processes):  # noqa: F811
    def show_again():
        page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
        show(page)
        until(lambda: state(page) == "ready", "the page of the new kernel")

    show_again()
    page.locator(".sparselab-speed select").select_option("5 epochs/s")
    if processes:
        open_fold(page, "Parallel", ".sparselab-workers")
        page.locator(".sparselab-workers .noUi-handle").focus()
        page.keyboard.press("ArrowRight")
        page.locator(".sparselab-backend select").select_option("processes")
    start(page)
    until(lambda: epoch(page) > 2, "two epochs")
    before = [one for kernel in kernels() for one in (kernel, *kernel.children(recursive=True))]
    assert len(before) > 1 or not processes
    restart(page)
    assert psutil.wait_procs(before, timeout=20)[1] == []
    show_again()
    offer = page.locator(".sparselab-offer")
    playwright.expect(offer).to_contain_text(re.compile(r"Resume \d+-"))
    shot(page, "offer")
    offer.click()
    until(lambda: state(page) == "running", "the training")
    playwright.expect(offer).to_be_hidden()
    stop(page)
