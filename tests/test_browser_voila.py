"""The workbench as a web page without code: notebook 08 served by Voilà; a training is started, watched and stopped there."""

import pytest
from browsing import CURVE, browsing, serving_voila, source, status, until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]  # `make test-slow` installs Voilà


@pytest.fixture
def address(tmp_path, monkeypatch):
    pytest.importorskip("voila", reason="Voilà is in the extra `voila`")
    monkeypatch.setenv("SPARSELAB_FAST", "1")
    with serving_voila(tmp_path, "08_workbench.ipynb") as url:
        yield url


def test_a_training_is_started_watched_and_stopped_on_a_page_without_code(browser_path, address):
    with browsing(browser_path) as page:
        page.goto(address)
        page.locator(".sparselab-start").wait_for(timeout=120_000)  # all cells run before the page is shown
        page.locator(".sparselab-start").click()
        until(lambda: status(page).split()[1] == "running", "the training")
        page.locator(CURVE).wait_for(state="visible")
        first = source(page)
        print(f"\nseconds until the picture changed: {until(lambda: source(page) != first, 'a second picture'):.2f}")
        page.locator(".sparselab-stop").click()
        print(f"seconds until Stop was answered: {until(lambda: status(page).split()[1] == 'stopped', 'the end'):.2f}")
        assert page.locator(".cm-content, .highlight pre").count() == 0  # no code is seen
