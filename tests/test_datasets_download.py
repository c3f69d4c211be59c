"""The downloader, tested with a local server that fails in every way a server can."""

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from sparselab.datasets import DownloadError, download, folders, load, published, sources
from sparselab.datasets.download import RemoteFile, fetch, problem
from sparselab.datasets.sources import Source, obtain

CONTENT = np.random.default_rng(5).bytes(200_000)
PACKED = gzip.compress(CONTENT, mtime=1)
SHA = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><html><body>Please log in to the hotel's network</body></html>"


class Handler(BaseHTTPRequestHandler):
    """Answers by the first part of the path; counts what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        getattr(self, self.path.split("/")[1].replace("-", "_"))()

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, length=None, **headers):
        self.send_response(status)
        headers = {"Content-Length": str(len(body) if length is None else length), "Connection": "close"} | headers
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def good(self):
        self.answer(CONTENT)

    def packed(self):
        self.answer(PACKED)

    def truncated(self):
        self.answer(CONTENT[:1000], length=len(CONTENT))

    def short(self):
        self.answer(PACKED[:1000])

    def wrong(self):
        self.answer(CONTENT[::-1])

    def missing(self):
        self.answer(b"no such file", 404)

    def broken(self):
        self.answer(b"oops", 500)

    def moved(self):
        self.answer(b"", 302, Location="/good/elsewhere")

    def moved_away(self):
        self.answer(b"", 302, Location=f"http://localhost:{self.server.server_port}/good/elsewhere")

    def moved_to_a_file(self):
        self.answer(b"", 302, Location="file:///etc/passwd")

    def nothing(self):
        self.answer(b"")

    def forbidden(self):
        self.answer(b"no", 403)

    def busy(self):
        self.answer(b"later", 429)

    def garbled(self):
        self.wfile.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        self.close_connection = True

    def hangs_up(self):
        self.close_connection = True

    def more_than_said(self):
        self.answer(CONTENT, length=1000)

    def circle(self):
        self.answer(b"", 302, Location="/circle")

    def page(self):
        self.answer(PAGE, Content_Type="text/html")

    def slow(self):
        self.server.stop.wait(10)

    def slow_in_the_middle(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:50_000])
        self.server.stop.wait(10)

    def better_the_second_time(self):
        self.answer(CONTENT if len(self.server.asked) > 1 else CONTENT[:99], length=len(CONTENT))

    def endless(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while not self.server.stop.is_set():
            self.wfile.write(CONTENT)

    def bomb(self):
        self.answer(gzip.compress(bytes(60_000_000)))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that hangs up is part of the tests."""


@pytest.fixture
def server(monkeypatch):
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1,localhost")
    with Server(("127.0.0.1", 0), Handler) as running:
        running.asked, running.stop = [], threading.Event()
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.stop.set()
        running.shutdown()
        thread.join()


def remote(server, *paths, sha256=(SHA,), name="data.bin", of_content=False):
    return RemoteFile(name, tuple(f"{server.url}/{path}" for path in paths), sha256, of_content)


def get(file, folder, **options):
    return fetch(file, folder, **({"progress": False, "connect": 1.0, "read": 0.5} | options))


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", ["good", "moved", "moved-away", "better-the-second-time"])
def test_good_file_is_fetched_once(server, tmp_path, path):
    folder = tmp_path / "new" / "folder"
    assert get(remote(server, path), folder).read_bytes() == CONTENT
    n_asked = len(server.asked)
    assert get(remote(server, path), folder) == folder / "data.bin"
    assert len(server.asked) == n_asked
    assert left_in(tmp_path) == ["data.bin"]


@pytest.mark.parametrize(
    "path, reason",
    [
        ("truncated", "broke off"),
        ("wrong", "sha256 is"),
        ("missing", "HTTP 404"),
        ("broken", "HTTP 500"),
        ("forbidden", "HTTP 403"),
        ("busy", "HTTP 429"),
        ("nothing", "sha256 is"),
        ("more-than-said", "sha256 is"),
        ("garbled", "broke off"),
        ("hangs-up", "broke off"),
        ("moved-to-a-file", "InvalidSchema"),
        ("circle", "TooManyRedirects"),
        ("page", "it is a web page"),
        ("slow", "no answer within 0.5 s"),
        ("slow-in-the-middle", "stalled"),
    ],
)
def test_bad_servers_leave_nothing_behind(server, tmp_path, path, reason):
    start = time.monotonic()
    read = 0.5 if path.startswith("slow") else 5.0  # a loaded machine may take long for a circle of thirty answers
    with pytest.raises(DownloadError) as error:
        get(remote(server, path), tmp_path, place=tmp_path / "mine" / "data.bin", read=read)
    message = str(error.value)
    assert f"{server.url}/{path}: " in message
    assert reason in message
    assert str(tmp_path / "mine" / "data.bin") in message
    assert SHA in message
    assert time.monotonic() - start < 8  # the server would wait 10
    assert left_in(tmp_path) == []


def test_next_address_is_tried(server, tmp_path):
    file = remote(server, "missing", "wrong", "good")
    assert get(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["/missing", "/wrong", "/wrong", "/good"]
    assert left_in(tmp_path) == ["data.bin"]


def test_every_address_and_its_reason_is_named(server, tmp_path):
    with pytest.raises(DownloadError, match=r"/missing: HTTP 404; http.*/broken: HTTP 500\. Without a network"):
        get(remote(server, "missing", "broken"), tmp_path)


@pytest.mark.parametrize("path", ["packed", "good"])
def test_checksum_of_the_content(server, tmp_path, path):
    """The same data compressed in another way, or not at all, is the same data."""
    assert get(remote(server, path, of_content=True, name="data.gz"), tmp_path).is_file()


@pytest.mark.parametrize("sha256", [(), (SHA,)])
@pytest.mark.parametrize("path", ["short", "page", "wrong"])
def test_damaged_gzip_files(server, tmp_path, path, sha256):
    with pytest.raises(DownloadError):
        get(remote(server, path, sha256=sha256, of_content=True, name="data.gz"), tmp_path)
    assert left_in(tmp_path) == []


def test_gzip_without_a_known_checksum(server, tmp_path):
    assert get(remote(server, "packed", sha256=(), name="data.gz"), tmp_path).read_bytes() == PACKED


@pytest.mark.parametrize(
    "path, reason", [("page", "web page"), ("nothing", "empty"), ("truncated", "broke off"), ("missing", "404")]
)
def test_plain_files_without_a_known_checksum(server, tmp_path, path, reason):
    with pytest.raises(DownloadError, match=reason):
        get(remote(server, path, sha256=()), tmp_path)
    assert left_in(tmp_path) == []
    assert get(remote(server, path, "good", sha256=()), tmp_path).read_bytes() == CONTENT


def test_any_of_several_checksums(server, tmp_path):
    assert get(remote(server, "good", sha256=("0" * 64, SHA)), tmp_path).is_file()


def test_gzip_bomb(server, tmp_path):
    with pytest.raises(DownloadError, match="expands to more than"):
        get(remote(server, "bomb", of_content=True, name="data.gz"), tmp_path, read=5)
    assert left_in(tmp_path) == []


def test_endless_file(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 3_000_000)
    with pytest.raises(DownloadError, match="more than 3000000 bytes"):
        get(remote(server, "endless"), tmp_path)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x", PAGE])
def test_damaged_file_in_the_cache_is_replaced(server, tmp_path, content):
    (tmp_path / "data.bin").write_bytes(content)
    (tmp_path / "other.bin").write_bytes(b"not ours")
    assert get(remote(server, "good"), tmp_path).read_bytes() == CONTENT
    assert left_in(tmp_path) == ["data.bin", "other.bin"]


def test_leftovers_of_a_killed_download_are_swept(server, tmp_path):
    old, new = (tmp_path / f".data.bin.{word}.part" for word in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    get(remote(server, "good"), tmp_path)
    assert left_in(tmp_path) == [".data.bin.new.part", "data.bin"]


def test_interrupt_leaves_nothing_behind(server, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "problem", interrupted)
    with pytest.raises(KeyboardInterrupt):
        get(remote(server, "good"), tmp_path)
    assert left_in(tmp_path) == []


KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from sparselab.datasets.download import RemoteFile, fetch
folder = Path(sys.argv[2])
def kill_when_half_is_there():
    while not any(path.stat().st_size for path in folder.glob(".*.part")):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=kill_when_half_is_there, daemon=True).start()
fetch(RemoteFile("data.bin", (sys.argv[1],), (sys.argv[3],)), folder, progress=False, connect=5, read=20)
"""


def test_a_download_that_is_killed_leaves_no_file_of_that_name(server, tmp_path):
    """A partial file is left, is not taken for the file, and the next download works."""
    command = [sys.executable, "-c", KILLED, f"{server.url}/endless", str(tmp_path), SHA]
    run = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    (part,) = left_in(tmp_path)
    assert part.endswith(".part")
    assert (tmp_path / part).stat().st_size > 0
    assert get(remote(server, "good"), tmp_path).read_bytes() == CONTENT
    assert left_in(tmp_path) == [part, "data.bin"]
    os.utime(tmp_path / part, (1, 1))
    (tmp_path / "data.bin").unlink()
    get(remote(server, "good"), tmp_path)
    assert left_in(tmp_path) == ["data.bin"]


def test_progress_bar(server, tmp_path, capsys):
    get(remote(server, "good"), tmp_path, progress=True)
    assert "200k/200k" in capsys.readouterr().err


def test_unwritable_folder(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="SPARSELAB_DATA"):
        get(remote(server, "good"), tmp_path / "file" / "folder")


def test_two_at_once(server, tmp_path):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(get(remote(server, "good"), tmp_path).read_bytes() == CONTENT))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4
    assert left_in(tmp_path) == ["data.bin"]


# --- offline ----------------------------------------------------------------------------------------------------


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(folders.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize(
    "name", ["mnist", "madelon", "higgs", "cifar10", "leukemia", "bibtex", "delicious", "newsgroups20", "california"]
)
def test_offline_says_what_to_do(own_folder, offline, name):
    start = time.monotonic()
    with pytest.raises(DownloadError) as error:
        load(name)
    assert time.monotonic() - start < 5
    assert "http" in str(error.value)
    assert str(own_folder / name) in str(error.value)
    assert "fashion_mnist_small" in str(error.value)
    assert left_in(own_folder) == []


@pytest.mark.slow
def test_a_resolver_that_hangs_does_not_hang_us(own_folder, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "create_connection", lambda *_: release.wait(30))
    start = time.monotonic()
    try:
        with pytest.raises(DownloadError, match="no connection within 2 s"):
            load("higgs")  # two addresses
        assert time.monotonic() - start < 5
    finally:
        release.set()


def test_proxy_is_asked_instead_of_the_host(monkeypatch):
    asked = []

    def connect(address, _):
        asked.append(address)
        raise OSError

    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert not download.reachable("https://example.org/a", 1)
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    assert not download.reachable("https://example.org/a", 1)
    assert asked == [("example.org", 443), ("proxy.example.org", 3128)]


# --- where a file is found --------------------------------------------------------------------------------------


def test_order_of_origins(server, own_folder, tmp_path_factory):
    system = tmp_path_factory.mktemp("system")
    source = Source("mine", (remote(server, "packed", of_content=True, name="data.gz"),), system)
    paths, origin = obtain(source, progress=False)
    assert (paths, origin) == ([own_folder / "downloads" / "mine" / "data.gz"], "official")
    (system / "data.gz").write_bytes(PACKED)
    assert obtain(source, progress=False) == ([system / "data.gz"], "system")
    (own_folder / "mine").mkdir()
    (own_folder / "mine" / "data").write_bytes(CONTENT)
    assert obtain(source, progress=False) == ([own_folder / "mine" / "data"], "local")
    assert len(server.asked) == 1


def test_damaged_system_file_is_passed_over(server, own_folder, tmp_path_factory):
    system = tmp_path_factory.mktemp("system")
    (system / "data.gz").write_bytes(PACKED[:-9])
    source = Source("mine", (remote(server, "packed", of_content=True, name="data.gz"),), system)
    assert obtain(source, progress=False)[1] == "official"


@pytest.mark.parametrize("content", [PACKED[:-9], CONTENT[1:], PAGE, b""])
def test_damaged_file_of_the_user_is_named_and_kept(server, own_folder, content):
    (own_folder / "mine").mkdir()
    path = own_folder / "mine" / "data.gz"
    path.write_bytes(content)
    source = Source("mine", (remote(server, "packed", of_content=True, name="data.gz"),))
    with pytest.raises(ValueError, match=r"data\.gz.*must be the published"):
        obtain(source, progress=False)
    assert path.read_bytes() == content
    assert server.asked == []


def test_mixed_origins_count_as_the_least_official(server, own_folder):
    files = (remote(server, "good", name="a"), remote(server, "good", name="b"))
    (own_folder / "mine").mkdir()
    (own_folder / "mine" / "b").write_bytes(CONTENT)
    assert obtain(Source("mine", files), progress=False)[1] == "local"


def test_table_of_sources_is_complete():
    table = [one for one in vars(sources).values() if isinstance(one, Source)]
    assert len(table) == 10
    for name, file in ((one.name, file) for one in table for file in one.files):
        assert all(url.startswith("http") for url in file.urls)
        assert all(url.endswith(file.name) for url in file.urls if "figshare" not in url)  # its addresses are numbers
        assert all(len(sha) == 64 and int(sha, 16) for sha in file.sha256)
        assert file.sha256 or file.name.endswith(".gz") or len(published.ENTRIES[name]) == 64


def test_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv(folders.VARIABLE, str(tmp_path))
    assert folders.data_folder() == tmp_path
    monkeypatch.delenv(folders.VARIABLE)
    assert folders.data_folder() == folders.repository_data()
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "site" / "sparselab" / "datasets" / "folders.py"))
    assert folders.repository_data() is None
    assert folders.data_folder().name == "sparselab"


def test_problem_of_a_good_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    assert problem(path, RemoteFile("a", (), (SHA,))) is None
    assert problem(path, RemoteFile("a", ())) is None
    assert "sha256" in problem(path, RemoteFile("a", (), ("0" * 64,)))
