"""Data sets that are part of the package; README.md names their origin and licence."""
