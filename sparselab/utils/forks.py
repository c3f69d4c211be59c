"""A training belongs to the process that began it: a forked copy has none of its threads, and must not touch its folder."""

import os
from contextlib import closing


def in_one_process(records):
    """Pass the records of a generator on, and close it; RuntimeError where a forked process goes on with it."""
    owner = os.getpid()
    with closing(records):
        for record in records:
            yield record
            if os.getpid() != owner:
                raise RuntimeError(
                    f"this training was begun by process {owner}, and process {os.getpid()} is a forked copy of it, without its "
                    "threads, workers and checkpoints: go on in the first process, or call train, steps or train_parallel anew"
                )
