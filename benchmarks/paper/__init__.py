"""The tables of Curci et al. (2021), "Truly sparse neural networks at scale", arXiv 2102.01732 v1, measured again.

`python -m benchmarks.paper --help` lists the commands, `--plan` the runs and the hours they take. docs/paper.md shows the
results.
"""
