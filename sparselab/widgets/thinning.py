"""A long run would fill the memory with degree vectors: those of some epochs, evenly spread, are enough to look back."""

import dataclasses

KEPT, BYTES = 256, 2**26  # epochs whose degree vectors are kept at most, and bytes of them


def thin(history):
    """Drop degree vectors, so that those of at most about KEPT epochs (or BYTES) stay, evenly; the first and last always do."""
    last, before = history[-1], history[-2] if len(history) > 1 else history[-1]
    size = sum(degrees.nbytes for degrees in (*last.fan_in, *last.fan_out))
    most = max(8, min(KEPT, BYTES // max(1, size)))
    step, step_before = (1 << ((record.epoch - 1) // most).bit_length() for record in (last, before))
    for i in range(len(history) - 1) if step != step_before else [len(history) - 2] if step > 1 else ():
        if history[i].epoch % step and i and history[i].fan_out:
            history[i] = dataclasses.replace(history[i], fan_in=(), fan_out=())
