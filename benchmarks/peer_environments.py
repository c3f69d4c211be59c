"""Virtual environments of the other libraries, one each, created once with pip; none of them is on our own path."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

TORCH = ["torch==2.13.0", "numpy"]
# environment: the arguments of one `pip install` after the other
ENVIRONMENTS = {
    "torch": [TORCH],
    # its setup.py asks for pybind11's headers and for SciPy before pip would have installed them
    "sparseprop": [[*TORCH, "scipy", "setuptools", "wheel", "pybind11"], ["--no-build-isolation", "sparseprop==0.1.14"]],
    "pypi_sparselab": [[*TORCH, "sparselab==0.2.2"]],
}


class NotInstallable(RuntimeError):
    """pip could not make an environment; the message is its reason."""


def reason(output):
    """The last error pip gave, short and without addresses."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error", line, re.IGNORECASE)]
    text = (errors or lines or ["pip failed and said nothing"])[-1]
    return re.sub(r"\w+://\S+", "…", text)[:300]


def run(command, folder):
    """Run a command with the environment's own programs first on the path; its output is kept in install.log."""
    path = os.pathsep.join([str(folder / "bin"), str(folder / "Scripts"), os.environ.get("PATH", "")])
    variables = {**os.environ, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    variables.pop("PYTHONPATH", None)
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    with open(folder.parent / f"{folder.name}.install.log", "a") as log:
        log.write(done.stdout)
    if done.returncode:
        raise NotInstallable(reason(done.stdout))


def interpreter(name, venvs):
    """The Python of environment `name` in folder `venvs`, made first where it is not there yet.

    Raises NotInstallable with pip's reason; a half-made environment is gone on with the next time.
    """
    folder = Path(venvs).resolve() / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, wanted = folder / ".installed", json.dumps(ENVIRONMENTS[name])
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    if not python.exists():
        run([sys.executable, "-m", "venv", str(folder)], folder)
    for arguments in ENVIRONMENTS[name]:
        run([str(python), "-m", "pip", "install", *arguments], folder)
    stamp.write_text(wanted)
    return python
