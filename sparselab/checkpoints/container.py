"""The file format of models and checkpoints: an uncompressed .npz with a JSON header and a sha256 of the whole file.

It is a zip of .npy members, which `np.load` reads; the first member is the header. The digest stands at the very end, in the
zip's comment, and covers every byte before it. A file is written as a whole or not at all. Reading executes nothing from the
file and checks every size before it allocates.
"""

import hashlib
import json
import numbers
import os
import stat
import struct
import uuid
import zipfile
from contextlib import contextmanager, suppress

import numpy as np

from ..utils import checks, files, resources

MARK, DIGITS = b"sparselab sha256 ", 64  # the comment: the mark, then the digest as hexadecimal digits
CHUNK = 2**20
HEAD = 128  # bytes of every .npy header
MAX_HEADER = 2**25  # bytes of JSON: a history of 100,000 epochs fits
MAX_DIRECTORY = 2**22  # bytes of the zip's directory: thousands of layers fit
MAX_MESSAGE = 400  # characters of an error message that are passed on
END, LOCATOR, END_64 = 22, 20, 56  # sizes of the zip's last records
OVERHEAD = 20 + 24  # bytes a member may have besides name, header and content: zip64 sizes, data descriptor


class CheckpointError(ValueError):
    """A file cannot be read or written as a model or checkpoint; the message names the file and what is wrong with it.

    Examples
    --------
    >>> import os, tempfile
    >>> import sparselab as sl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.npz")
    ...     _ = open(path, "w").write("not a net")
    ...     try:
    ...         sl.load(path)
    ...     except sl.CheckpointError as error:
    ...         print("not a file of sparselab" in str(error))
    True
    """


class UnfitError(CheckpointError):
    """The file is undamaged but cannot be used here: too little memory, or a plug-in that the caller has to give."""


# writing


def write(path, header, arrays):
    """Write `header` (plain values) and `arrays` ({name: 1-D array}) to `path`, through a temporary file in the same folder.

    On any failure `path` keeps its old content and the temporary file is removed; on success the new content is on the disk, not
    only in the system's cache. The arrays are not copied. Raises OSError.
    """
    path = checks.absolute("path", path, FileNotFoundError)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:  # which names the temporary file
        raise OSError(error.errno, error.strerror, path) from None
    try:
        with files.named(path):
            try:
                _write_all(descriptor, header, arrays)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def sync_folder(folder):
    """Write a folder's list of names to the disk, on systems that allow it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def plain_number(value):
    """A number of NumPy or a Fraction as JSON has it; TypeError for anything else."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{checks.shown(value)} is no plain value of JSON")


def _write_all(descriptor, header, arrays):
    text = np.frombuffer(json.dumps(header, default=plain_number).encode(), np.uint8)
    if len(text) > MAX_HEADER:
        raise CheckpointError(f"the header has {len(text)} bytes: must be at most {MAX_HEADER}")
    sink = _Sink(descriptor)
    try:
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = MARK + b"0" * DIGITS
            for name, array in {"header": text, **arrays}.items():
                _write_member(archive, name, array)
    finally:
        sink.descriptor = None
    os.lseek(descriptor, -DIGITS, os.SEEK_END)
    _Sink(descriptor).write(sink.digest.hexdigest().encode())


def _write_member(archive, name, array):
    info, content = zipfile.ZipInfo(name + ".npy"), array.view(np.uint8)
    info.file_size = HEAD + len(content)  # decides whether the member needs zip64
    with archive.open(info, "w") as member:
        member.write(npy_head(array.dtype, len(array)))
        for start in range(0, len(content), CHUNK):
            member.write(content[start : start + CHUNK])


class _Sink:
    """An output file without seek, for zipfile to write front to back; it computes the digest of everything written."""

    def __init__(self, descriptor):
        self.descriptor, self.digest = descriptor, hashlib.sha256()

    def write(self, data):
        self.digest.update(data)
        left = memoryview(data)
        while left and self.descriptor is not None:  # a ZipFile that was interrupted writes its end when it is collected
            left = left[os.write(self.descriptor, left) :]
        return len(data)

    def flush(self):
        """Nothing is buffered."""


def npy_head(dtype, length):
    """The header of a .npy file (version 1.0) of a 1-D array: 128 bytes."""
    text = repr({"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (length,)}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", HEAD - 10) + text.ljust(HEAD - 11) + b"\n"


# reading


@contextmanager
def open_container(path):
    """The Container of a file whose digest is right; any error inside the `with` becomes a CheckpointError naming the file.

    The file is opened once, so that another file moved to its name meanwhile changes nothing. FileNotFoundError where there is
    none.
    """
    path = os.fspath(path)
    with os.fdopen(_descriptor(path), "rb") as file:
        try:
            yield Container(file)
        except UnfitError as error:
            raise UnfitError(f"{path}: {error}") from error
        except Exception as error:
            kind = "" if isinstance(error, CheckpointError) else f"damaged ({type(error).__name__}): "
            raise CheckpointError(f"{path}: {kind}{str(error)[:MAX_MESSAGE]}") from error


def _descriptor(path):
    """The descriptor of an ordinary file, opened without waiting for the other end of a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be opened ({error})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CheckpointError(f"{path}: not a file")
    return descriptor


class Container:
    """An open file with a verified digest: `header`, a dict, and `arrays(expected)`."""

    def __init__(self, file):
        self.size = os.fstat(file.fileno()).st_size
        _check_digest(file, self.size)
        _check_directory(file, self.size)
        self.archive = zipfile.ZipFile(file)
        self.members = _members(self.archive, self.size)
        self.header = self._read_header()

    def arrays(self, expected, extra=0):
        """{name: array} for `expected`, {name: (dtype, length)}: the file must hold exactly these.

        Names, types, lengths and available memory are checked before anything is allocated; `extra` is what the caller will need
        besides, in bytes.
        """
        names = {name + ".npy": shape for name, shape in expected.items()}
        if names.keys() != self.members.keys():
            odd = sorted(names.keys() ^ self.members.keys())
            raise CheckpointError(f"damaged: arrays {checks.shown(odd)} are missing or too many")
        for name, (dtype, length) in names.items():
            self._check_member(name, dtype, length)
        n_bytes = sum(np.dtype(dtype).itemsize * length for dtype, length in expected.values())
        check_memory(n_bytes + extra)
        return {name: self._read(name + ".npy", dtype, length) for name, (dtype, length) in expected.items()}

    def _check_member(self, name, dtype, length):
        wanted = HEAD + np.dtype(dtype).itemsize * length
        if self.members[name].file_size != wanted:
            raise CheckpointError(f"damaged: {name} has {self.members[name].file_size} bytes, must be {wanted}")
        with self.archive.open(self.members[name]) as member:
            if member.read(HEAD) != npy_head(dtype, length):
                raise CheckpointError(f"damaged: {name} is not a 1-D array of {length} {np.dtype(dtype)}")

    def _read(self, name, dtype, length):
        array = np.empty(length, dtype)
        content = array.view(np.uint8)
        with self.archive.open(self.members[name]) as member:
            member.read(HEAD)
            for start in range(0, len(content), CHUNK):
                piece = content[start : start + CHUNK]
                if member.readinto(piece) != len(piece):
                    raise CheckpointError(f"damaged: {name} ends too early")
        return array

    def _read_header(self):
        info = self.members.pop("header.npy", None)
        if info is None or not HEAD <= info.file_size <= HEAD + MAX_HEADER:
            raise CheckpointError("damaged: the header is missing or too long")
        with self.archive.open(info) as member:
            content = member.read()
        if content[:HEAD] != npy_head(np.uint8, info.file_size - HEAD):
            raise CheckpointError("damaged: the header is not an array of bytes")
        header = json.loads(content[HEAD:].decode(), object_pairs_hook=_unique)
        if not isinstance(header, dict):
            raise CheckpointError("damaged: the header is not a JSON object")
        return header


def check_memory(n_bytes):
    """Raise UnfitError where less is free: Linux would grant memory that it does not have and kill the process later."""
    free = resources.available()
    if free is not None and n_bytes > free:
        raise UnfitError(f"needs {n_bytes:,} bytes of memory, {free:,} are free")


def _unique(pairs):
    """A JSON object as a dict; CheckpointError where a name is repeated."""
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise CheckpointError("damaged: a name comes twice in the header")
    return unique


def _check_digest(file, size):
    """Compare the digest with the content, before anything else of the file is used."""
    file.seek(max(0, size - len(MARK) - DIGITS))
    mark, written = (tail := file.read())[: len(MARK)], tail[len(MARK) :]
    if mark != MARK:
        file.seek(0)
        kind = "a zip without sparselab's digest at its end: cut off, changed, or of a layout before 0.2 (save it again)"
        raise CheckpointError(kind if file.read(2) == b"PK" else "not a file of sparselab, or its end is damaged")
    file.seek(0)
    digest, left = hashlib.sha256(), size - DIGITS
    while left and (piece := file.read(min(CHUNK, left))):
        digest.update(piece)
        left -= len(piece)
    digest.update(b"0" * DIGITS)
    if left or digest.hexdigest().encode() != written:
        raise CheckpointError("damaged: the content is not that which was written (sha256 differs)")


def _check_directory(file, size):
    """Check the length of the zip's directory, which zipfile reads at once."""
    comment = len(MARK) + DIGITS
    file.seek(max(0, size - comment - END - LOCATOR - END_64))
    tail = file.read()[:-comment]
    end, locator, end_64 = tail[-END:], tail[-END - LOCATOR : -END], tail[: -END - LOCATOR]
    length = struct.unpack("<L", end[12:16])[0]
    if locator[:4] == b"PK\x06\x07":
        length = struct.unpack("<Q", end_64[40:48])[0] if end_64[:4] == b"PK\x06\x06" else size
    if end[:4] != b"PK\x05\x06" or struct.unpack("<H", end[20:22])[0] != comment or length > MAX_DIRECTORY:
        raise CheckpointError("damaged: the zip's directory is missing or too long")


def _members(archive, size):
    """{name: ZipInfo} of uncompressed members that follow one another without gaps, each name once."""
    infos = archive.infolist()
    starts = [info.header_offset for info in infos] + [archive.start_dir]
    if starts[0] != 0 or sum(info.file_size for info in infos) > size:
        raise CheckpointError("damaged: the members are not what the file holds")
    for info, start, following in zip(infos, starts, starts[1:], strict=False):
        rest = following - start - 30 - len(info.filename) - info.file_size
        plain = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size and not info.flag_bits & ~8
        if not plain or not 0 <= rest <= OVERHEAD:
            raise CheckpointError(f"damaged: member {checks.shown(info.filename)} is not stored as it should be")
    members = {info.filename: info for info in infos}
    if len(members) != len(infos):
        raise CheckpointError("damaged: a member's name comes twice")
    return members
