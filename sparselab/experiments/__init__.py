"""Experiments: a config and its training, sweeps, studies for notebooks, very large networks, and runs stored in folders."""
