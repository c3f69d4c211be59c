"""The workbench: one page with the tabs Train, Sweep, Compare and Runs, made by `sparselab.widgets.workbench()`."""
