"""The gallery: every example says where its claim comes from and what came out here, and prints just that when it runs."""

import ast
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks import markers

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").rglob("plot_*.py"))
MOST_LINES = 80
FIELDS = ("Source", "Claim", "Measured")
SETTINGS = {  # figures outside of these fields that are no measurements
    "plot_feature_attention": ("0.9 times its mean error and 0.1 times the sum",),
    "plot_hard_samples": ("30 % of the images",),
    "plot_lost_workers": ("40 seconds",),
    "plot_lottery_tickets": ("60 % of the links",),
    "plot_noise_filter": ("5 % of the links",),
    "plot_stale_workers": ("guessing, 10 %",),
    "plot_ten_questions": ("3 % of the links",),
}
NUMBER = r"[-+−]?\d+(?:,\d{3})*(?:\.\d+)?"
RUN = """
import runpy, sys
import matplotlib.pyplot as plt
runpy.run_path(sys.argv[1], run_name="__main__")
axes = [ax for number in plt.get_fignums() for ax in plt.figure(number).axes if ax.has_data()]
print("pictures:", len(plt.get_fignums()), any(ax.get_xlabel() or ax.get_title() or ax.get_title("left") for ax in axes))
"""


def fields_of(source):
    """{name: text} of the fields of an example's docstring, each text on one line."""
    parts = re.split(r"^:(\w+):", ast.get_docstring(ast.parse(source)), flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def disagreements(stated, printed):
    """Where the first words of `stated` are not `printed`.

    Numbers may differ by what the rounding of another machine does to a training: a mean before "± d" by 3 d, a deviation by a
    factor of 4, another number with decimals by one unit of its last place, and a whole number not at all.
    """
    pattern = f"({NUMBER})".join(map(re.escape, re.split(NUMBER, printed)))
    match = re.match(pattern, stated)
    if not match:
        return [f"docstring: {stated}\nprinted: {printed}"]
    starts = [found.span() for found in re.finditer(NUMBER, printed)]
    between = ["", *(printed[a[1] : b[0]] for a, b in pairwise(starts)), ""]
    values = [text.replace("−", "-").replace(",", "") for text in re.findall(NUMBER, printed)]
    found = []
    for i, (text, other) in enumerate(zip(values, match.groups(), strict=True)):
        value, unit = float(text), 10.0 ** -len(text.partition(".")[2]) * ("." in text)
        if between[i].strip() == "±":
            slack = max(3 * value, unit)
        elif between[i + 1].strip() == "±":
            slack = 3 * float(values[i + 1]) + unit
        else:
            slack = unit
        if abs(float(other.replace("−", "-").replace(",", "")) - value) > slack * 1.001:
            found.append(f"{other} in the docstring, {text} printed")
    return found


def test_the_gallery_has_examples_and_a_header():
    assert len(EXAMPLES) >= 15
    title, line, *_ = (ROOT / "examples" / "README.rst").read_text(encoding="utf-8").splitlines()
    assert title
    assert set(line) == {"="}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_its_parts(path):
    source = path.read_text(encoding="utf-8")
    compile(source, str(path), "exec")
    title, line, *_ = ast.get_docstring(ast.parse(source)).splitlines()
    assert line == "=" * len(title)
    fields = fields_of(source)
    assert tuple(fields) == FIELDS
    assert all(len(text) > 40 for text in fields.values())
    assert re.search(r"\(\d{4}\)", fields["Source"])
    assert re.search(r"arXiv:\d{4}\.\d{5}|doi:", fields["Source"])
    assert re.search(r"\d+ (seeds|graphs|repetitions)|One thread", fields["Measured"])
    assert len(source.splitlines()) <= MOST_LINES
    assert "\n# %%\n" in source
    assert "threads=1" in source or "n_jobs=1" in source or '"threads": 1' in source or not re.search(r"\bthreads\b", source)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.py")), ids=lambda path: path.stem)
def test_a_figure_in_an_example_is_a_setting_or_what_it_prints(path):
    """The field Measured is compared with what is printed where the example runs."""
    source = path.read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)).partition(":Source:")[0]
    text += "\n" + " ".join(" ".join(re.findall(r"^ *#(?! %%)(.+)$", source, re.MULTILINE)).split())
    settings = SETTINGS.get(path.stem, ())
    assert [setting for setting in settings if setting not in text] == []
    assert markers.typed(text, settings) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_its_docstring_says(path):
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "PYTHONUTF8": "1"}
    if "import gymnasium" in path.read_text(encoding="utf-8"):
        pytest.importorskip("gymnasium")
    run = subprocess.run([sys.executable, "-c", RUN, path], capture_output=True, text=True, env=environment, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    [printed] = re.findall(r"^measured: (.+)$", run.stdout, re.MULTILINE)
    measured = fields_of(path.read_text(encoding="utf-8"))["Measured"]
    assert disagreements(measured, printed) == []
    pattern = f"({NUMBER})".join(map(re.escape, re.split(NUMBER, printed)))
    end = re.match(pattern, measured).end()
    stated, comment = (re.findall(NUMBER, text) for text in (measured[:end], " ".join(markers.typed(measured[end:]))))
    assert set(comment) <= set(stated), "a figure that is not printed"
    pictures, labelled = re.search(r"^pictures: (\d+) (\w+)$", run.stdout, re.MULTILINE).groups()
    assert int(pictures) >= 1
    assert labelled == "True"


@pytest.mark.parametrize(
    ("stated", "printed", "agree"),
    [
        ("3 seeds: 80.1 ± 0.4 %. More words.", "3 seeds: 80.1 ± 0.4 %.", True),
        ("3 seeds: 80.9 ± 0.2 %.", "3 seeds: 80.1 ± 0.4 %.", True),  # another machine
        ("3 seeds: 82.1 ± 0.4 %.", "3 seeds: 80.1 ± 0.4 %.", False),
        ("3 seeds: 80.1 ± 2.4 %.", "3 seeds: 80.1 ± 0.4 %.", False),
        ("4 seeds: 80.1 ± 0.4 %.", "3 seeds: 80.1 ± 0.4 %.", False),
        ("3 seeds: better, 80.1 ± 0.4 %.", "3 seeds: worse, 80.1 ± 0.4 %.", False),
        ("Of 2,000 labels −0.31", "Of 2,000 labels −0.32", True),
        ("Of 2,000 labels −0.31", "Of 2,000 labels 0.31", False),
        ("Of 2,000 labels −0.31", "Of 20,00 labels −0.31", False),
        ("80.1 ± 0.4 %", "80.1 ± 0.4 %, and more", False),
    ],
)
def test_sentences_are_compared_word_for_word_and_numbers_with_their_deviation(stated, printed, agree):
    assert (disagreements(stated, printed) == []) == agree


def test_the_recipes_name_every_example():
    named = re.findall(r"\{doc\}`gallery/(plot_\w+)`", (ROOT / "docs/recipes.md").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(path.stem for path in EXAMPLES)
