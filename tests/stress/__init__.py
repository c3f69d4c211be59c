"""Measures what docs/reliability.md promises: `pytest tests/stress --stress=full` (or quick).

A file is a library of harnesses, which the tests of every day use with small counts, and its `test_` functions measure the
promises at full size; conftest.py collects them where --stress is given, and makes the table of figures.
"""
