"""The record from which the compiled program takes its arguments: numbers, and addresses of arrays whose dtypes are known.

A record costs the same whatever it holds, and arrays that are read-only need no machine code of their own.
"""

import numpy as np

CALL = (  # numbers that differ from call to call
    "key",  # of the dropout
    "first_step",  # number of the first step, for the dropout
    "batch_size",
    "max_groups",  # gradient buffers to use at most; 0 where only outputs are wanted
    "applies",  # 1: gradients are applied; 0: each step leaves their sum in the first group's buffers
    "counter",  # address of the counter at which the threads meet, see system.meet
    "server_words",  # address of what workers share at a parameter server, see push_pull; 0 for none
)
NUMBERS = (
    "n_layers",
    "width",  # columns of a tile
    "loss",  # program.SOFTMAX or program.SQUARED
    "n_rows", "n_features",  # of the data
    "n_threads",  # threads that make the same call
    "together",  # 1: all threads go through each tile; 0: each takes tiles of its own
)  # fmt: skip
ARRAYS = {  # name: dtype; C-contiguous; columns.py names rows and columns
    "table": "i8",  # (n_layers, FIELDS)
    "coefficients": "f4",  # (n_layers, COEFFICIENTS)
    "buffers": "i8",  # (workspaces, BUFFERS, n_layers + 1); one workspace a thread, or one for all
    "cuts": "i8",  # (n_layers, 2, parts + 1)
    "dw": "i8", "db": "i8",  # (groups, n_layers): addresses of the gradients of each group of tiles
    "X": "f4",  # (n_rows, n_features); address 0 where a CSR matrix holds the data:
    "csr_data": "f4", "csr_indices": "i4", "csr_indptr": "i8",
    "labels": "i8",  # (n_rows,), for SOFTMAX
    "targets": "f4",  # (n_rows, outputs), for SQUARED
    "nonfinite": "f4",  # (n_threads,), written: 0, or NaN where a gradient of the step is not finite
    "phases": "i8",  # (n_threads, PHASES), written: nanoseconds
    "status": "i8",  # (2,), written: the step that was not finite and so not applied, or -1; number of steps applied
}  # fmt: skip
RECORD = np.dtype([(name, np.uint64 if name == "key" else np.int64) for name in (*CALL, *NUMBERS, *ARRAYS)])


def address(array):
    """Address of an array's data, 0 for an empty one."""
    return array.__array_interface__["data"][0] if array.size else 0


def put(record, **values):
    """Write NUMBERS, and addresses of ARRAYS, which the caller keeps alive. TypeError for an array the program cannot read."""
    row = record[0]
    for name, value in values.items():
        if name in ARRAYS:
            if value.dtype != ARRAYS[name] or not value.flags.c_contiguous:
                raise TypeError(f"{name}: {value.dtype} with strides {value.strides}: must be {ARRAYS[name]}, C-contiguous")
            value = address(value)
        row[name] = value


def for_call(record, **numbers):
    """A copy of the record, with the numbers of CALL."""
    words = record.view(np.int64).copy()  # several times faster than to copy or to write a structured array
    words[: len(CALL)] = [numbers[name] for name in CALL]
    return words.view(RECORD)
