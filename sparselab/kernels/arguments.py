"""The record from which the compiled program takes its arguments: numbers, and addresses of arrays whose dtypes are known.

A record costs the same whatever it holds, and arrays that are read-only need no machine code of their own.
"""

import numpy as np

CALL = (  # numbers that differ from call to call
    "key",  # of the dropout
    "first_step",  # number of the first step, for the dropout
    "n_steps", "batch_size",
    "max_tiles",  # of a batch
    "max_groups",  # gradient buffers to use at most; 0 where only outputs are wanted
    "n_samples",
    "counter",  # address of the counter at which the threads meet, see system.meet
    "n_best",  # outputs to keep of each sample, the largest; 0 for all of them
    "server_words",  # address of what workers share at a parameter server, see push_pull; 0 for none
)  # fmt: skip
CALL_ARRAYS = {  # arrays that differ from call to call
    "samples": "i8",  # (n_samples,)
    "rates": "f4",  # (n_steps,)
    "settings": "f8",  # the optimizer's, or the server's, see columns.py
    "losses": "f8", "hits": "i8",  # (n_steps, max_tiles), written: the sums over each tile
    "own_words": "i8", "server_table": "i8",  # of a worker at a parameter server, see push_pull
    "out": "f4",  # (n_samples, n_out or n_best), written: the outputs
    "places": "i8",  # (n_samples, n_best), written: which they are
}  # fmt: skip
NUMBERS = (
    "n_layers",
    "width",  # columns of a tile
    "n_rows", "n_features",  # of the data
    "n_threads",  # threads that make the same call
    "together",  # 1: all threads go through each tile; 0: each takes tiles of its own
    "spmm", "sddmm", "dx", "scatter",  # addresses of kernels, see rows.py,
    "gather", "loss",  # ends.py, entries.py,
    "best",  # ends.py,
    "entry_gradients",  # entries.py: 0 where the input is a tile of all features,
    "update",  # updating.py,
    "turn",  # and push_pull.py
)  # fmt: skip
ARRAYS = {  # name: dtype; C-contiguous; columns.py names rows and columns
    "table": "i8",  # (n_layers, FIELDS)
    "path": "i8",  # (n_layers, FIELDS): the table that tiles go by; the first row differs where samples come by their entries
    "no_links": "i8",  # row pointers of a first layer without links, for samples that come by their entries
    "coefficients": "f4",  # (n_layers, COEFFICIENTS)
    "buffers": "i8",  # (workspaces, BUFFERS, n_layers + 1); one workspace a thread, or one for all
    "cuts": "i8",  # (n_layers, 2, parts + 1)
    "dw": "i8", "db": "i8",  # (groups, n_layers): addresses of the gradients of each group of tiles
    "X": "f4",  # (n_rows, n_features), or the values of a CSR matrix
    "csr_indices": "i4", "csr_indptr": "i8",  # of a CSR matrix; for images, black pixels and settings, see images.py
    "targets": "i8 f4 u1 i4",  # (n_rows,) labels, (n_rows, outputs), or lists of labels, see losses.py
    "loss_settings": "f8", "weights": "f8",  # of the loss and of the n_rows samples, see ends.py
    "nonfinite": "f4",  # (n_threads,), written: 0, or NaN where a gradient of the step is not finite
    "phases": "i8",  # (n_threads, PHASES), written: nanoseconds
    "status": "i8",  # (2,), written: the step that was not finite and so not applied, or -1; number of steps applied
}  # fmt: skip
CALL_FIELDS = *CALL, *CALL_ARRAYS
RECORD = np.dtype([(name, np.uint64 if name == "key" else np.int64) for name in (*CALL_FIELDS, *NUMBERS, *ARRAYS)])


def address(array):
    """Address of an array's data, 0 for an empty one."""
    return array.__array_interface__["data"][0] if array.size else 0


def place(name, array):
    """The address of one of ARRAYS or CALL_ARRAYS, which the caller keeps alive. TypeError where the program cannot read it."""
    allowed = ARRAYS.get(name) or CALL_ARRAYS[name]
    if array.dtype.str[1:] not in allowed.split() or not array.flags.c_contiguous:
        raise TypeError(f"{name}: {array.dtype} with strides {array.strides}: must be {allowed}, C-contiguous")
    return address(array)


def put(record, **values):
    """Write NUMBERS, and addresses of ARRAYS."""
    row = record[0]
    for name, value in values.items():
        row[name] = place(name, value) if name in ARRAYS else value


def for_call(record, arrays, **numbers):
    """A copy of the record, with the numbers of CALL and the addresses of CALL_ARRAYS; 0 for those that are not given."""
    words = record.view(np.int64).copy()  # several times faster than to copy or to write a structured array
    given = numbers | {name: place(name, array) for name, array in arrays.items()}
    words[: len(CALL_FIELDS)] = [given.get(name, 0) for name in CALL_FIELDS]
    return words.view(RECORD)
