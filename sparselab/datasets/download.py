"""Downloads files: several addresses for each, checksums, no partial files, and a clear message when there is no network.

A file gets its final name only after its content was verified, so a file of that name is always complete.
"""

import contextlib
import hashlib
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .formats import GZIP, opened

CHUNK = 2**18
MOST_BYTES = 3 * 2**30
MOST_EXPANSION = 100  # largest accepted ratio of decompressed to compressed size; text and images stay below 20
CONNECT_SECONDS = 2.0
READ_SECONDS = 30.0


class DownloadError(RuntimeError):
    """A file could not be downloaded; the message lists addresses, reasons, and where to put the file yourself.

    Examples
    --------
    >>> import sparselab as sl
    >>> issubclass(sl.datasets.DownloadError, RuntimeError)
    True
    """


class BadFile(Exception):
    """The downloaded content is not the expected file."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    sha256: accepted checksums, () if none is known. of_content: they are checksums of the decompressed content, because the
    compressed files of the same data differ from server to server.
    """

    name: str
    urls: tuple[str, ...]
    sha256: tuple[str, ...] = ()
    of_content: bool = False


def fetch(remote, folder, *, place=None, progress=True, connect=CONNECT_SECONDS, read=READ_SECONDS):
    """Return the path of the verified file in `folder`; download it if it is missing or damaged.

    Each URL is tried in turn, a second time if the content was damaged. `connect` and `read` are timeouts in seconds. `place`
    is where a user may put the file. Raises DownloadError naming every URL, what happened there, and `place`.
    """
    target = Path(folder) / remote.name
    if target.is_file() and problem(target, remote) is None:
        return target
    failures = []
    for url in remote.urls:
        reason = _try_twice(url, remote, target, progress, connect, read)
        if reason is None:
            return target
        failures.append(f"{url}: {reason}")
    raise DownloadError(_advice(remote, failures, place or target))


def problem(path, remote):
    """Return what is wrong with a file that should be `remote`, or None."""
    try:
        found = digest(path, of_content=remote.of_content) if remote.sha256 else None
        if not remote.sha256:
            check = _check_gzip if remote.name.endswith(".gz") else _check_plain
            check(path)
    except (ValueError, OSError) as error:
        return f"{error}{_web_page(path)}"
    if found not in (remote.sha256 or (None,)):
        return f"sha256 is {found}, must be {' or '.join(remote.sha256)}{_web_page(path)}"
    return None


def digest(path, *, of_content=False):
    """Return the sha256 of a file or of its decompressed content; ValueError if this is damaged or far too large."""
    sha = hashlib.sha256()
    for chunk in _chunks(path) if of_content else _raw_chunks(path):
        sha.update(chunk)
    return sha.hexdigest()


def _raw_chunks(path):
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _chunks(path):
    """Yield decompressed chunks; ValueError if they are far larger than any real data of that compressed size."""
    left = MOST_EXPANSION * max(os.path.getsize(path), CHUNK)
    with opened(path) as file:
        while chunk := file.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"expands to more than {MOST_EXPANSION} times its size")
            yield chunk


def _check_gzip(path):
    with open(path, "rb") as file:
        if file.read(2) != GZIP:
            raise ValueError("not a gzip file")
    for _ in _chunks(path):
        pass


def _check_plain(path):
    if not os.path.getsize(path):
        raise ValueError("empty")
    if _web_page(path):
        raise ValueError("another content")


def _web_page(path):
    with open(path, "rb") as file:
        head = file.read(256).lstrip().lower()
    return " (it is a web page)" if head.startswith((b"<!doctype html", b"<html")) else ""


def _prepare(target):
    """Create the folder, and delete partial files older than a day, which killed downloads left there."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for part in target.parent.glob(f".{target.name}.*.part"):
            with contextlib.suppress(FileNotFoundError):  # another process has just finished this download
                if time.time() - part.stat().st_mtime > 86_400:
                    part.unlink()
    except OSError as error:
        raise DownloadError(f"cannot write to {target.parent}: {error}; set SPARSELAB_DATA to another folder") from None


def _try_twice(url, remote, target, progress, connect, read):
    """Return None if `target` was downloaded, else the reason; a damaged download is repeated once."""
    for _ in range(2):
        try:
            return _try(url, remote, target, progress, connect, read)
        except BadFile as error:
            reason = str(error)
    return reason


def _try(url, remote, target, progress, connect, read):
    import requests

    if not reachable(url, connect):
        return f"no connection within {connect:g} s"
    _prepare(target)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        _transfer(url, part, progress, connect, read)
        if (reason := problem(part, remote)) is not None:
            raise BadFile(reason)
        os.replace(part, target)
    except requests.HTTPError as error:
        return f"HTTP {error.response.status_code}"
    except requests.Timeout:
        return f"no answer within {read:g} s"
    except requests.exceptions.ChunkedEncodingError:
        raise BadFile("the transfer broke off") from None
    except requests.RequestException as error:
        stalled = type(error) is requests.ConnectionError
        return "the connection stalled or broke off" if stalled else type(error).__name__
    except OSError as error:
        raise DownloadError(f"cannot write {target}: {error}") from None
    finally:
        part.unlink(missing_ok=True)


def _transfer(url, part, progress, connect, read):
    import pooch

    settings = {"timeout": (connect, read), "headers": {"Accept-Encoding": "identity"}}
    with open(part, "wb") as file:
        pooch.HTTPDownloader(progressbar=progress, chunk_size=CHUNK, **settings)(url, _Limited(file), None)


class _Limited:
    """A file that accepts at most MOST_BYTES, in case a server never stops sending."""

    def __init__(self, file):
        self.file, self.flush, self.left = file, file.flush, MOST_BYTES

    def write(self, chunk):
        self.left -= len(chunk)
        if self.left < 0:
            raise BadFile(f"more than {MOST_BYTES} bytes")
        return self.file.write(chunk)


def reachable(url, seconds):
    """Whether the host of `url`, or the proxy before it, accepts a connection in time.

    This runs in a thread because name lookup has no timeout.
    """
    opened_in_time = []
    thread = threading.Thread(target=lambda: opened_in_time.append(_connects(url, seconds)), daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(opened_in_time and opened_in_time[0])


def _connects(url, seconds):
    from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    parts = urlsplit(prepend_scheme_if_needed(proxy, "http") if proxy else url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), seconds).close()
    except Exception:  # resolvers, firewalls and the tests' network guard raise various errors
        return False
    return True


def _advice(remote, failures, place):
    right = f" (sha256 {remote.sha256[0]}{' of its content' if remote.of_content else ''})" if remote.sha256 else ""
    return (
        f"{remote.name} could not be fetched. {'; '.join(failures)}. Without a network put it at {place}{right}, or "
        "load 'fashion_mnist_small', 'digits' or 'madelon_like', which need no network"
    )
