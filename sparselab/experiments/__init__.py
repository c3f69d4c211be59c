"""Configured runs: one config, sweeps, studies, very large networks, and the store of runs."""
