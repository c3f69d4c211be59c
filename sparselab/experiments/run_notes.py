"""What a user writes about a saved run: group, tags and notes, in `notes.json` in the folder of the run.

It is a file of its own, so that it can be written while a training replaces `run.json`.
"""

import json

from ..utils import checks, files

NOTES = "notes.json"
LONGEST = {"group": 100, "tags": 200, "notes": 10_000}  # characters of each text


def checked(changes):
    """{field: text} without blanks at the ends; tags as "a, b", each once. ValueError for other fields and long texts."""
    found = {}
    for name, text in changes.items():
        checks.choice("field", name, LONGEST)
        if not isinstance(text, str):
            checks.fail(name, text, "a text", TypeError)
        text = ", ".join(dict.fromkeys(filter(None, map(str.strip, text.split(","))))) if name == "tags" else text.strip()
        if len(text) > LONGEST[name]:
            checks.fail(name, text, f"a text of at most {LONGEST[name]:,} characters")
        found[name] = text
    return found


def read_notes(folder):
    """{field: text} of the run in a folder; a file that cannot be read is a note that says so, and the run is still one."""
    empty = dict.fromkeys(LONGEST, "")
    try:
        found = dict(json.loads((folder / NOTES).read_text(encoding="utf-8")))
        return empty | {name: found[name][: LONGEST[name]] for name in empty if isinstance(found.get(name), str)}
    except FileNotFoundError:
        return empty
    except (OSError, ValueError, TypeError) as error:
        return empty | {"notes": f"{NOTES} cannot be read ({error})"}


def write_notes(folder, changes):
    """Change some fields of the run in a folder; they are `checked`."""
    found = read_notes(folder) | checked(changes)
    files.write_whole(folder / NOTES, json.dumps(found).encode())
