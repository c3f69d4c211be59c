"""Copies the notebooks that come with the package into a folder of the user's."""

import re
import shutil
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
PICTURE = re.compile(r"\.\./docs/(images/[\w.-]+)")


def source():
    """The folder that holds notebooks/ and docs/images/: sparselab/share in an installed package, the repository in a clone."""
    for folder in (PACKAGE / "share", PACKAGE.parent):
        if (folder / "notebooks").is_dir():
            return folder
    raise FileNotFoundError(f"{PACKAGE / 'share' / 'notebooks'} is missing: install sparselab again")


def copy(folder):
    """Copy the notebooks and the pictures in them into `folder`, which is created; returns the notebooks' new paths.

    Raises FileExistsError, before anything is written, if one of the files exists already.
    """
    folder, origin = Path(folder), source()
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted((origin / "notebooks").glob("*.ipynb"))}
    pictures = sorted({name for text in texts.values() for name in PICTURE.findall(text)})
    for name in [*texts, *pictures]:
        if (folder / name).exists():
            raise FileExistsError(f"{folder / name} exists already and is not overwritten: name another folder")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name in pictures:
        shutil.copyfile(origin / "docs" / name, folder / name)
    for name, text in texts.items():
        (folder / name).write_text(PICTURE.sub(r"\1", text), encoding="utf-8", newline="\n")
    return [folder / name for name in texts]
