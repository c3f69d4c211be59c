"""Write kept/ anew from the version that is imported: `python tests/make_kept.py`.

Only where users are meant to see a change: kept/ proves that what an earlier version wrote, computed and offered still is so.
"""

import json
import shutil
import tempfile

import hashes
import kept_files
import public_api

import sparselab as sl

KEPT = kept_files.KEPT


def write_json(name, value, depth):
    """A JSON file with a line for each value `depth` levels down, so that a change is one line."""
    text = lines(value, depth)
    (KEPT / name).write_text(text + "\n", encoding="utf-8")


def lines(value, depth, indent="\n "):
    """JSON text."""
    if depth == 0 or not isinstance(value, dict) or not value:
        return json.dumps(value)
    parts = [f"{json.dumps(key)}: {lines(one, depth - 1, indent + ' ')}" for key, one in value.items()]
    return "{" + indent + f",{indent}".join(parts) + indent[:-1] + "}"


def write_files():
    """Every file of WRITE; what marks a folder as in use is not kept."""
    for name, write in kept_files.WRITE.items():
        write(KEPT / name)
    for path in KEPT.rglob(".*"):
        path.unlink()


def ends():
    """{file: {way to go on: hash of its end}}."""
    found = {}
    for (name, way), go_on in kept_files.GO_ON.items():
        with tempfile.TemporaryDirectory() as folder:
            found.setdefault(name, {})[way] = go_on(kept_files.copied(name, folder))
    return found


def contents():
    """{file: what it holds}."""
    found = {}
    for name, read in kept_files.CONTENTS.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = read(kept_files.copied(name, folder))
    return found


def main():
    """Write everything and tell what there is."""
    print(f"sparselab {sl.__version__} from {sl.__path__[0]}")
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir()
    write_files()
    write_json("api.json", public_api.describe(), 3)
    write_json("contents.json", contents(), 2)
    write_json("records.json", {name: hashes.plain_records(hashes.outcome(name).records) for name in hashes.TRAININGS}, 1)
    found = {name: hash_of() for name, hash_of in hashes.HASHES.items()}
    write_json("hashes.json", {"machine": kept_files.machine(), "hashes": found, "ends": ends()}, 3)
    for path in sorted(path for path in KEPT.rglob("*") if path.is_file()):
        print(f"{path.stat().st_size:8,} {path.relative_to(KEPT)}")


if __name__ == "__main__":
    main()
