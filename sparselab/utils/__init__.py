"""Helpers that know nothing of networks: argument checks, interrupts, machine resources, seeds, sparse-array checks."""
