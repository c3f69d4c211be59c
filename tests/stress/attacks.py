"""Hostile files with a correct digest: each must be a CheckpointError within a second, with nothing executed or written.

`files()` is the catalogue; `trial()` tries it and watches what Python does.
"""

import hashlib
import io
import json
import pickle
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np

from sparselab import load_checkpoint
from sparselab.checkpoints.container import DIGITS, HEAD, MARK, CheckpointError, npy_head
from stress import checkpoints, processes

FORBIDDEN = {"pickle.find_class", "os.system", "subprocess.Popen", "exec", "compile", "os.exec", "os.fork", "socket.connect"}
SECONDS = 1.0


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


# files with a right digest


def sealed(content):
    """Zip bytes without a comment, made a file whose digest is right."""
    body = content[:-2] + struct.pack("<H", len(MARK) + DIGITS) + MARK
    return body + hashlib.sha256(body + b"0" * DIGITS).hexdigest().encode()


def zipped(members, compression=zipfile.ZIP_STORED):
    """A sealed zip of (name, bytes) pairs, written by zipfile."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content in members:
            archive.writestr(name, content)
    return sealed(buffer.getvalue())


def npy(array, allow_pickle=True):
    """A .npy file's bytes."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def member(array):
    """A 1-D array as container.py stores it."""
    return npy_head(array.dtype, len(array)) + array.tobytes()


def head(text):
    """The header member of a JSON text (bytes)."""
    return member(np.frombuffer(text, np.uint8))


class Good:
    """A good file taken apart: header, arrays, and bytes of it with something changed."""

    def __init__(self, path):
        with np.load(path) as file:
            self.arrays = {name: file[name] for name in file.files}
        self.header = json.loads(self.arrays.pop("header").tobytes())

    def members(self, header=None, arrays=None, text=None, replaced=None):
        """(name, bytes) pairs; `text`: the header's bytes; `replaced`: {array name: a member's bytes}."""
        text = json.dumps(self.header if header is None else header).encode() if text is None else text
        pairs = [("header.npy", head(text))]
        pairs += [(f"{name}.npy", member(a)) for name, a in (self.arrays | (arrays or {})).items()]
        return [(name, (replaced or {}).get(name.removesuffix(".npy"), content)) for name, content in pairs]

    def bytes(self, **changes):
        """A whole file; see `members`."""
        return zipped(self.members(**changes))

    def with_header(self, *path, value):
        """A file whose header has another value at a path of keys."""
        header = json.loads(json.dumps(self.header))
        place = header
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return self.bytes(header=header)

    def without(self, *path):
        """A file whose header lacks a key."""
        header = json.loads(json.dumps(self.header))
        place = header
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        return self.bytes(header=header)


# the catalogue


def files(path, canary):
    """{name: bytes}: attacks made from the good checkpoint at `path`; pickles in them would write the file `canary`."""
    good = Good(path)
    made = {}
    for group in (pickles, zips, headers, heads, senses, senses_of_state):
        for name, content in group(good, canary).items():
            made[f"{group.__name__}: {name}"] = content
    return made


def pickles(good, canary):
    """F01: objects whose code runs when they are unpickled."""
    bad = Canary(canary)
    objects = np.array([bad], object)
    return {
        "a pickle": pickle.dumps(bad),
        "a pickle with a digest": sealed(pickle.dumps(bad) + b"PK\x05\x06" + b"\0" * 18),
        "an object array alone": npy(objects),
        "an npz of an object array": zipped([("header.npy", npy(objects))]),
        "a pickle for a header": zipped([("header.npy", pickle.dumps(bad))]),
        "an object array among ours": good.bytes(replaced={"0.w": npy(objects)}),
        "a pickle among ours": good.bytes(replaced={"0.w": pickle.dumps(bad)}),
        "one array more, of objects": zipped([*good.members(), ("extra.npy", npy(objects))]),
    }


def zips(good, canary):
    """F02: malformed or deceptive zip files."""
    members = good.members()
    plain = zipped(members)
    bomb = npy_head(np.float64, 10_000_000) + bytes(80_000_000)
    link = zipfile.ZipInfo("0.w.npy")
    link.external_attr = 0o120777 << 16
    locator = plain.index(b"PK\x05\x06")
    directory = plain.index(b"PK\x01\x02")
    unsealed = plain[: -len(MARK) - DIGITS - 2] + b"\0\0"
    moved = bytearray(unsealed)
    moved[directory + 42 : directory + 46] = struct.pack("<L", 10**9)
    overlapping = bytearray(unsealed)
    second = unsealed.index(b"PK\x01\x02", directory + 4)
    overlapping[second + 42 : second + 46] = struct.pack("<L", 0)
    local = bytearray(unsealed)
    local[30] = ord("H")
    encrypted = bytearray(unsealed)
    encrypted[second + 8] |= 1
    lies = unsealed[:locator] + b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 10**9, 10**9, 2**62, 2**62)
    lies += b"PK\x06\x07" + struct.pack("<LQL", 0, locator, 1) + unsealed[locator:]
    return {
        "a bomb": zipped([*members[:-1], ("losses.npy", bomb)], zipfile.ZIP_DEFLATED),
        "deflated": zipped(members, zipfile.ZIP_DEFLATED),
        "bzip2": zipped(members, zipfile.ZIP_BZIP2),
        "a zip in a zip": zipped([("header.npy", plain)]),
        "very many members": zipped([*members, *((f"{i:0500}.npy", b"") for i in range(10_000))]),
        "some members more": zipped([*members, *((f"x{i}.npy", b"") for i in range(300))]),
        "a name twice": zipped([*members, members[-1]]),
        "the header twice": zipped([*members, members[0]]),
        "a name above": zipped([*members, ("../x.npy", b"x")]),
        "an absolute name": zipped([*members, ("/tmp/x.npy", b"x")]),
        "a name of Windows": zipped([*members, ("C:\\x.npy", b"x")]),
        "a name instead": zipped([("../0.w.npy" if name == "0.w.npy" else name, content) for name, content in members]),
        "a symbolic link": zipped([(link if name == "0.w.npy" else name, b"/etc/passwd") for name, _ in members]),
        "no members": zipped([]),
        "no header": zipped(members[1:]),
        "a member less": zipped(members[:-1]),
        "something before": sealed(b"<html>" + unsealed),
        "something between": sealed(unsealed[:directory] + b"x" * 500 + unsealed[directory:]),
        "an offset out of the file": sealed(bytes(moved)),
        "members on top of each other": sealed(bytes(overlapping)),
        "another local name": sealed(bytes(local)),
        "encrypted": sealed(bytes(encrypted)),
        "zip64 lies": sealed(lies),
    }


def headers(good, canary):
    """F03, F07: JSON that lies about types, sizes and names."""
    text = json.dumps(good.header).encode()
    deep = b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    made = {
        "not UTF-8": good.bytes(text=b"\xff\xfe{}"),
        "not JSON": good.bytes(text=b"{"),
        "empty": good.bytes(text=b""),
        "a list": good.bytes(text=b"[]"),
        "a number": good.bytes(text=b"7"),
        "deep": good.bytes(text=deep),
        "deeper, open": good.bytes(text=b"[" * 1_000_000),
        "a key twice": good.bytes(text=text[:-1] + b', "format": 2}'),
        "a long string": good.bytes(text=b'{"a": "' + b"x" * 34_000_000 + b'"}'),
        "a number of many digits": good.bytes(text=text[:-1] + b', "a": ' + b"9" * 100_000 + b"}"),
        "another format": good.with_header("format", value=1),
        "format as bool": good.with_header("format", value=True),
        "another kind": good.with_header("kind", value="pickle"),
        "a million layers": good.with_header("model", "sizes", value=[4] * 1_000_000),
        "a million links lists": good.with_header("model", "nnz", value=[4] * 1_000_000),
    }
    changes = {
        ("model", "original_sizes"): [[], [20], [20, 33, 18], [21, 33, 18, 4], [20, 33, 17, 4], "20", None, [20, 2**40, 18, 4]],
        ("model", "sizes"): [[], [20], [20, 33, 18], [20.0, 33, 18, 4], [True, 33, 18, 4], "20", None, [20, 33, 18, -4]],
        ("model", "nnz"): [[], None, [-1, 1, 1], [2**31 - 1] * 3, [1e9, 1, 1], [True, 1, 1], [2**63, 1, 1]],
        ("model", "dtype"): ["float16", "object", "|O", 7, None, "float64"],
        ("model", "dropout"): [1, -0.1, float("nan"), "0.3", True],
        ("model", "activation"): [
            {"name": "os.system"}, {"name": "__import__('os')"}, {"name": "all_relu", "beta": 1}, {"plug_in": "os.system"}, {},
            [], "all_relu", None,
        ],
        ("model", "initializer"): [{"name": "eval"}, {"name": "normal", "deviation": -1}, {"plug_in": "exec"}],
        ("state", "epoch"): [-1, 1e9, True, None, "1", 2**70],
        ("state", "batch"): [-1, 1e9, True, None, 2**62, 10**9],
        ("state", "evolved"): [1, None, "yes"],
        ("state", "entropy"): [-1, None, "x", [-1], 0.5, {}],
        ("state", "spawn_key"): [None, [-1], ["x"], 7],
        ("state", "pool_size"): [0, 10**9, True, None],
        ("state", "hits"): [-1, None, 0.5],
        ("state", "changes"): [None, [[1]], [[-1, 0]], "x"],
        ("state", "seconds"): [None, {}, {"all": "x"}],
        ("state", "learning_rate"): ["x", -1, float("nan")],
        ("state", "optimizer_kind"): [None, 3, []],
        ("state", "epoch_of"): [None, 3, [], [1], [1, 2, 3], [0, 1], [1.5, 1], "xy"],
        ("vectors",): [None, [], [[1, 1]], [[10**9, 1]] * 3, [[-1, 1]] * 3, [[0, 0]] * 3, [[1.0, 1]] * 3],
        ("history",): [None, [], {}, {"columns": ["__class__"], "rows": [[1]]}],
        ("history", "rows"): [None, [[]], [["<script>"] * 20], good.header["history"]["rows"] * 2],
        ("about",): [None, [], "x"],
    }  # fmt: skip
    for path, values in changes.items():
        for value in values:
            made[f"{'.'.join(path)} = {json.dumps(value)[:60]}"] = good.with_header(*path, value=value)
    script = json.loads(json.dumps(good.header["history"]["rows"]))
    script[0][good.header["history"]["columns"].index("phase")] = "<script>alert(1)</script>"
    made["a script in the history"] = good.with_header("history", "rows", value=script)
    for path in [(key,) for key in good.header] + [("model", key) for key in good.header["model"]]:
        made[f"without {'.'.join(path)}"] = good.without(*path)
    for key in good.header["state"].keys() - {"optimizer_kind", "epoch_of"}:  # which files of version 0.1 have not
        made[f"without state.{key}"] = good.without("state", key)
    return made


def heads(good, canary):
    """F04: .npy headers that promise other shapes and types than the bytes."""
    w = good.arrays["0.w"]
    content = member(w)
    forms = {
        "10^12 values": ("<f4", (10**12,)),
        "2^62 values": ("<f4", (2**62,)),
        "2^64 values": ("<f4", (2**64,)),
        "a negative length": ("<f4", (-1,)),
        "rank 0": ("<f4", ()),
        "rank 2": ("<f4", (len(w), 1)),
        "rank 40": ("<f4", (1,) * 39 + (len(w),)),
        "nothing": ("<f4", (0,)),
        "objects": ("|O", (len(w),)),
        "text": ("<U1", (len(w),)),
        "big-endian": (">f4", (len(w),)),
        "structured": ([("a", "<f4")], (len(w),)),
        "half": ("<f2", (2 * len(w),)),
        "integers": ("<i4", (len(w),)),
        "code": ("__import__('os').system('true')", (len(w),)),
    }
    made = {}
    for name, (descr, shape) in forms.items():
        text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()[: HEAD - 11]
        made[name] = content[:10] + text.ljust(HEAD - 11) + b"\n" + content[HEAD:]
    made["Fortran order"] = content.replace(b"False", b"True ")
    made["version 3"] = content[:6] + b"\x03" + content[7:]
    made["a header of 65,535 bytes"] = content[:8] + b"\xff\xff" + content[10:]
    made["no magic"] = b"X" + content[1:]
    made["a byte too many"] = content + b"x"
    made["a byte too few"] = content[:-1]
    made["only the header"] = content[:HEAD]
    made["empty"] = b""
    return {name: good.bytes(replaced={"0.w": changed}) for name, changed in made.items()}


def senses(good, canary):
    """F05, F06: arrays of the right types and lengths that make no net; the digest is right."""
    a = good.arrays
    indptr, indices = a["0.indptr"], a["0.indices"]
    full = int(np.argmax(np.diff(indptr) > 1))
    swapped = indices.copy()
    swapped[indptr[full] : indptr[full] + 2] = swapped[indptr[full] : indptr[full] + 2][::-1]

    def changed(name, place, value):
        array = a[name].copy()
        array[place] = value
        return good.bytes(arrays={name: array})

    huge = json.loads(json.dumps(good.header))
    huge["model"]["sizes"][0] = 2**31 - 1
    wide = json.loads(json.dumps(good.header))
    wide["model"]["sizes"][1] = 2**31 - 1
    return {
        "an index too large": changed("0.indices", 2, 20),
        "an index far too large": changed("0.indices", 2, 2**31 - 1),
        "a negative index": changed("0.indices", 2, -3),
        "unsorted": good.bytes(arrays={"0.indices": swapped}),
        "a link twice": changed("0.indices", indptr[full] + 1, indices[indptr[full]]),
        "indptr decreasing": changed("0.indptr", 3, 0),
        "indptr negative": changed("0.indptr", 3, -5),
        "indptr too large": changed("0.indptr", 3, 10**15),
        "indptr starts late": changed("0.indptr", 0, 1),
        "indptr ends early": changed("0.indptr", -1, indptr[-1] - 1),
        "indptr ends late": changed("0.indptr", -1, indptr[-1] + 1),
        "indptr shorter": good.bytes(arrays={"0.indptr": indptr[:-1]}),
        "indices fewer": good.bytes(arrays={"0.indices": indices[:-1]}),
        "weights fewer": good.bytes(arrays={"0.w": a["0.w"][:-1]}),
        "weights of float64": good.bytes(arrays={"0.w": a["0.w"].astype(np.float64)}),
        "biases more": good.bytes(arrays={"0.b": np.append(a["0.b"], a["0.b"][:1])}),
        "a weight NaN": changed("0.w", 1, np.nan),
        "a weight infinite": changed("1.w", 0, np.inf),
        "a bias NaN": changed("2.b", 1, np.nan),
        "layers in another order": good.bytes(arrays={f"{i}.{p}": a[f"{1 - i}.{p}"] for i in (0, 1) for p in ("indptr", "w")}),
        "2^31 inputs and few links": good.bytes(header=huge),
        "2^31 neurons and few links": good.bytes(header=wide),
    }


def senses_of_state(good, canary):
    """F05 for what stands beside the net."""
    a = good.arrays
    nonfinite = a["0.links.0"].copy()
    nonfinite[0] = np.nan
    return {
        "velocities fewer": good.bytes(arrays={"0.links.0": a["0.links.0"][:-1]}),
        "velocities of another dtype": good.bytes(arrays={"0.links.0": a["0.links.0"].astype(np.float64)}),
        "a velocity NaN": good.bytes(arrays={"0.links.0": nonfinite}),
        "losses more": good.bytes(arrays={"losses": np.append(a["losses"], 1.0)}),
        "losses NaN": good.bytes(arrays={"losses": np.full_like(a["losses"], np.nan)}) if len(a["losses"]) else b"",
    }


# the trial


def trial(path):
    """[(attack, what went wrong)] of the catalogue made from the good file at `path`; meant for a process of its own."""
    seen, watching, wrong = [], [False], []

    def hook(event, arguments):
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if watching[0] and (event in FORBIDDEN or writes):
            seen.append(f"{event} {arguments[0] if arguments else ''}"[:100])

    load_checkpoint(path)  # compiled, imported
    sys.addaudithook(hook)
    with tempfile.TemporaryDirectory() as folder:
        canary, file = Path(folder) / "canary", Path(folder) / "attack.npz"
        made = files(path, canary)
        for name, content in made.items():
            file.write_bytes(content)
            before = sorted(Path(folder).iterdir())
            watching[0], start = True, time.perf_counter()
            try:
                load_checkpoint(file)
                result = "accepted"
            except CheckpointError:
                result = ""
            except BaseException as error:
                result = f"{type(error).__name__}: {error}"[:200]
            watching[0], spent = False, time.perf_counter() - start
            if spent > SECONDS:
                result += f" {spent:.1f} s"
            if seen or sorted(Path(folder).iterdir()) != before:
                result += f" did {seen}"
            if result:
                wrong.append((name, result))
            seen.clear()
    return wrong, len(made)


def test_hostile_files(stress, tmp_path):
    wrong, tried = processes.call("attacks", "trial", str(checkpoints.small_file(tmp_path)), timeout=300)
    stress.all("hostile files: CheckpointError within 1 s, nothing executed or written", tried - len(wrong), tried)
    assert wrong == []
