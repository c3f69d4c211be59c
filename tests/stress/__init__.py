"""Harnesses that measure what is promised in docs/reliability.md; `python -m reliability` runs them all."""
