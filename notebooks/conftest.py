"""nbval does not compare what a cell writes to stderr: the first one that needs a kernel says there that it is being compiled."""


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr",)
