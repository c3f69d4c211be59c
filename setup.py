"""Adds the notebooks and their pictures to the wheel; everything else is declared in pyproject.toml.

They stay at the top of the repository and are copied to sparselab/share, where `python -m sparselab notebooks` finds them.
"""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

NOTEBOOKS = sorted(Path("notebooks").glob("*.ipynb"))
PICTURES = sorted({name for path in NOTEBOOKS for name in re.findall(r"\.\./(docs/images/[\w.-]+)", path.read_text("utf-8"))})


class BuildWithNotebooks(build_py):
    """Builds the package, then copies the notebooks and their pictures into it."""

    def shared(self):
        """Pairs (file in the repository, its place in the wheel)."""
        target = Path(self.build_lib, "sparselab", "share")
        return [(str(path), str(target / path)) for path in [*NOTEBOOKS, *PICTURES]]

    def run(self):
        super().run()
        if not self.editable_mode:  # an editable install reads them from the repository
            for source, target in self.shared():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target)

    def get_outputs(self, include_bytecode=1):
        return super().get_outputs(include_bytecode) + [target for _, target in self.shared()]


setup(cmdclass={"build_py": BuildWithNotebooks})
