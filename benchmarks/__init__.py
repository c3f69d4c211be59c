"""Scripts that print ratios from one interleaved run; never timed tests. `python -m benchmarks.NAME`."""
