"""General helpers, independent of networks: argument checks, interrupts, memory and cores, seeds, checks of sparse arrays."""
