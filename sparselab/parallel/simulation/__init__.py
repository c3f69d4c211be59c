"""Parallel training in simulated time."""
