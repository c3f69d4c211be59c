"""Readers of the file formats of published datasets. They return raw arrays and verify what headers say.

Whether a file is gzip-compressed is decided by its first bytes, because servers differ in what they send.
"""

import bz2
import gzip
import hashlib
import lzma
import math
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

GZIP = b"\x1f\x8b"
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)
PACKED = {GZIP: gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ\0": lzma.decompress}


@contextmanager
def opened(path):
    """Open `path` as a binary stream and decompress it if necessary; ValueError if it is truncated."""
    with open(path, "rb") as raw:
        packed = raw.read(2) == GZIP
        raw.seek(0)
        try:
            yield gzip.GzipFile(fileobj=raw) if packed else raw
        except BROKEN as error:
            refuse(path, f"a complete gzip file ({error})")


def content(path):
    """The bytes of a file, which is a path or an open file, decompressed if it is gzip, bzip2 or xz."""
    if hasattr(path, "read"):
        raw = path.read()
        raw = raw.encode() if isinstance(raw, str) else raw
    else:
        raw = existing(path).read_bytes()
    unpack = next((unpack for start, unpack in PACKED.items() if raw.startswith(start)), None)
    try:
        return unpack(raw) if unpack else raw
    except (*BROKEN, OSError, lzma.LZMAError, ValueError) as error:
        refuse(path, f"a complete compressed file ({error})")


def existing(path):
    """Return `path` as a Path; FileNotFoundError if there is no such file."""
    path = Path(path)
    if not path.is_file():
        refuse(path, "an existing file", FileNotFoundError)
    return path


def shown_path(path):
    """A path, or the name of an open file, for messages."""
    return str(getattr(path, "name", "open file") if hasattr(path, "read") else path)


def refuse(path, allowed, error=ValueError):
    """Raise `error` about a file; its path is shown in full."""
    raise error(f"path = {shown_path(path)!r}: must be {allowed}") from None


def read_idx(path):
    """Read an idx file of bytes (MNIST's format: 0, 0, 8, number of axes, big-endian lengths, values) as a uint8 array.

    Raises ValueError if the length differs from that in the header.
    """
    with opened(path) as file:
        magic = file.read(4)
        if len(magic) != 4 or magic[:3] != b"\0\0\x08" or not 1 <= magic[3] <= 4:
            refuse(path, f"an idx file of bytes; it starts with {magic!r}")
        shape = tuple(np.frombuffer(file.read(4 * magic[3]), ">u4").tolist())
        n_values = int(np.prod(shape, dtype=object))
        values = _exactly(file, n_values, path)
    return np.frombuffer(values, np.uint8).reshape(shape)


def _exactly(file, n_bytes, path, chunk=2**24):
    """Read exactly `n_bytes` bytes, in chunks: a wrong header cannot cause a large allocation."""
    pieces, left = [], n_bytes + 1
    while left and (piece := file.read(min(left, chunk))):
        pieces.append(piece)
        left -= len(piece)
    if left != 1:
        refuse(path, f"{n_bytes} values long, as its header says; it has {'more' if not left else 'fewer'}")
    return b"".join(pieces)


def idx_digest(array):
    """The sha256 of the idx file of a uint8 array, as hexadecimal digits."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return hashlib.sha256(header + array.tobytes()).hexdigest()


def read_openml_images(path, shape):
    """Read OpenML's table of images of this shape (.arff, or .csv with a header): images (n, *shape) and labels (n,), uint8."""
    import pandas

    with opened(path) as file:
        is_table = ".arff" not in Path(path).suffixes
        while not is_table and (line := file.readline(2**16)).strip().lower() != b"@data":
            if not line:
                refuse(path, "an ARFF file with its @DATA")
        try:
            table = pandas.read_csv(file, header=0 if is_table else None, dtype=np.uint8, quotechar="'").to_numpy()
        except (ValueError, OverflowError) as error:
            refuse(path, f"whole numbers in [0, 255] only ({str(error)[:100]})")
    if table.shape[1] != math.prod(shape) + 1:
        refuse(path, f"lines of {math.prod(shape)} pixels and a label; found {table.shape[1]} numbers")
    return table[:, :-1].reshape(-1, *shape), table[:, -1]


def read_numbers(path, n_columns, separator=None):
    """Read text with `n_columns` whole numbers a line (Madelon's format) as an int32 array (lines, n_columns)."""
    with opened(path) as file:
        lines = [line.split(separator) for line in file.read().splitlines() if line.strip()]
    widths = {len(line) for line in lines}
    if widths != {n_columns}:
        refuse(path, f"lines of {n_columns} numbers each; found {sorted(widths)[:5]}")
    try:
        return np.array(lines, dtype=np.int32)
    except ValueError as error:
        refuse(path, f"whole numbers only ({str(error)[:100]})")


def read_higgs(path, n_rows):
    """Read the first `n_rows` lines of HIGGS.csv: X (n_rows, 28) float32, and the labels (n_rows,) int8 of its first column."""
    import pandas

    with opened(path) as file:
        try:
            table = pandas.read_csv(file, header=None, nrows=n_rows, dtype=np.float32).to_numpy()
        except ValueError as error:
            refuse(path, f"29 numbers a line ({str(error)[:120]})")
    if table.shape != (n_rows, 29):
        refuse(path, f"{n_rows} lines of a label and 28 numbers; found {table.shape}")
    return np.ascontiguousarray(table[:, 1:]), table[:, 0].astype(np.int8)


def read_series_matrix(path, key="leukemia class"):
    """Read a GEO series matrix line by line: X (samples, probes) float32 and labels (samples,) str.

    The labels follow "`key`: " in one of the lines !Sample_characteristics_ch1. Raises ValueError if the table or the labels
    are missing, or if a line has another length (the message names its probe).
    """
    with opened(path) as file:
        labels = _read_labels(file, key, path)
        blocks = list(_read_probes(file, len(labels), path))
    if not blocks:
        refuse(path, "a series matrix with at least one probe")
    return np.concatenate(blocks, axis=1), np.array(labels)


def _read_labels(file, key, path):
    labels = None
    for line in _lines(file, path):
        if line.startswith("!Sample_characteristics_ch1") and f"{key}:" in line:
            labels = [cell.strip('" ').removeprefix(f"{key}:").strip() for cell in line.split("\t")[1:]]
        elif line.startswith("!series_matrix_table_begin"):
            if labels is None:
                refuse(path, f"a series matrix whose !Sample_characteristics_ch1 say {key!r}")
            return labels
    refuse(path, "a GEO series matrix with its table")


def _read_probes(file, n_samples, path, block=512):
    """Yield blocks (n_samples, up to `block` probes); small blocks are transposed fast."""
    lines, rows = _lines(file, path), []
    next(lines, None)
    for line in lines:
        if line.startswith("!series_matrix_table_end"):
            break
        rows.append(_probe(line, n_samples, path))
        if len(rows) == block:
            yield np.array(rows).T
            rows = []
    else:
        refuse(path, "complete: its table has no end")
    if rows:
        yield np.array(rows).T


def _probe(line, n_samples, path):
    name, *cells = line.split("\t")
    try:
        values = np.array(cells, dtype=np.float32)
    except ValueError:
        values = ()
    if len(values) != n_samples:
        refuse(path, f"a table of {n_samples} numbers a probe; probe {name} is not")
    return values


def _lines(file, path, limit=2**24):
    """Yield lines of text of limited length, so that a file without line ends cannot fill the memory."""
    while line := file.readline(limit):
        if len(line) == limit:
            refuse(path, f"text with lines below {limit} bytes")
        yield line.decode("utf-8", errors="replace").rstrip("\r\n")
