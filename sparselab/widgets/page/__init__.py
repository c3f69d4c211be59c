"""The workbench: one page with the tabs Train, Sweep, Compare and Runs. `sparselab.widgets.workbench()` makes it."""
