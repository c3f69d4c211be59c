"""How Sphinx builds the site: `make docs`.

The source folder is the repository itself, not this folder, so that links between documents, notebooks and pictures lead to the
same places on the site as in a clone, and no text is copied: `sphinx-build -c docs . out/site`. Nothing generated is committed.
"""

import inspect
import os
import shutil
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError
from sphinx.util import logging

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs"), str(ROOT / "tests")]

import check_site  # noqa: E402
import reference_pages  # noqa: E402

project = author = "sparselab"
copyright = "The sparselab developers, MIT licence"
release = version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

root_doc = "docs/index"
include_patterns = [
    "docs/**", "notebooks/*.ipynb", "benchmarks/README.md", "data/README.md", "sparselab/datasets/data/README.md", "CHANGELOG.md",
    "CONTRIBUTING.md",
]  # fmt: skip
# The first ones are folders that need not be walked through; the gallery's notebooks are downloads, not pages.
exclude_patterns = [
    ".*",
    "out",
    "build",
    "runs",
    "tests",
    "data/[!R]*",
    "docs/gallery/*.ipynb",
    "docs/templates",
    "**/.ipynb_checkpoints",
]
extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.githubpages",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
default_role = "literal"  # `x` in docstrings is code
nitpicky = True
# Attributes that stand in a docstring alone.
nitpick_ignore_regex = [("py:obj", r"\w+")]

# pages of Markdown and notebooks
nb_execution_mode = "off"  # notebooks are committed with their outputs, which `make test` checks
myst_enable_extensions = ["dollarmath", "substitution"]  # the first one for formulas of notebooks
myst_heading_anchors = 3
repository = os.environ.get("GITHUB_REPOSITORY")  # known to the workflow that publishes the site
binder = f"[Binder](https://mybinder.org/v2/gh/{repository}/HEAD?labpath=notebooks/00_start_here.ipynb)"
readme = (ROOT / "README.md").read_text(encoding="utf-8")
ten_lines = readme.partition("## Ten lines")[2].partition("```python\n")[2].partition("```")[0]
install = f"%pip install -q git+https://github.com/{repository}\n" if repository else ""
myst_substitutions = {
    "binder": binder if repository else "Binder (by a link that stands here once the site is published)",
    "cell": f"```{'ipython3' if repository else 'python'}\n{install}{ten_lines}```",
}

# the reference
templates_path = [str(ROOT / "docs/templates")]
autodoc_typehints = "none"  # the docstrings say it in words
autodoc_mock_imports = [] if find_spec("torch") else ["torch"]
maximum_signature_line_length = 100
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"

# the gallery: an example that fails stops the build, which names it
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "docs/gallery",
    "filename_pattern": r"/plot_",
    "doc_module": ("sparselab",),
    "reference_url": {"sparselab": None},
    "backreferences_dir": "docs/gallery/backreferences",
    "image_scrapers": ("matplotlib",),
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sparselab"
html_extra_path = ["site"]  # index.html, which leads to docs/index.html
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_math_renderer = "mathml"  # `formula` below: MathJax would be loaded from elsewhere
html_theme_options = {
    "logo": {"text": "sparselab"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": False,
    "secondary_sidebar_items": {"**": ["page-toc"], "docs/recipes": [], "docs/paper_tables": []},  # wide tables
    "footer_start": ["copyright"],
    "footer_end": [],
}
copybutton_prompt_text = ">>> |... "
copybutton_prompt_is_regexp = False
copybutton_only_copy_prompt_lines = True


def write_reference(app, config):
    """Write the pages of the reference anew, and remove those of names and examples that are gone."""
    for folder in ("pages", "names"):
        shutil.rmtree(ROOT / "docs/reference" / folder, ignore_errors=True)
    for page in (ROOT / "docs/gallery").glob("plot_*.rst"):
        if not (ROOT / "examples" / page.name).with_suffix(".py").exists():
            page.unlink()
    reference_pages.write(ROOT / "docs/reference/pages", autodoc_mock_imports)
    config.autosummary_generate = [str(page) for page in sorted((ROOT / "docs/reference/pages").glob("*.rst"))]


def escape(app, what, name, obj, options, lines):
    """Docstrings are plain text."""
    lines[:] = reference_pages.escaped(lines)


def skip(app, what, name, obj, skip, options):
    """Leave out methods that scikit-learn, matplotlib and others add to a class of ours; None: as it would be."""
    return True if not (getattr(obj, "__module__", None) or "sparselab").startswith("sparselab") else None


def signature(app, what, name, obj, options, text, returns):
    """The arguments of a class whose base, a module of torch, is not there to tell them; None: as they are."""
    if what == "class" and text == "(*args, **kwargs)":
        _, *parameters = inspect.signature(obj.__init__).parameters.values()
        return str(inspect.Signature([one.replace(annotation=one.empty) for one in parameters])), returns
    return None


def formula(translator, node):
    """A formula as MathML, which browsers show without a script."""
    is_block = isinstance(node, nodes.math_block)
    try:
        text = tex2mathml(node.astext(), as_block=is_block)
    except MathError as error:
        logging.getLogger(__name__).warning("formula %r: %s", node.astext(), error, location=node)
        text = ""
    translator.body.append(f'<div class="formula">{text}</div>' if is_block else text)
    raise nodes.SkipNode


def check(app, exception):
    """After a build: an error that names every broken link, what is loaded from elsewhere, and every name that is on no page."""
    if exception is None and app.builder.name == "html":
        shutil.copytree(ROOT / "docs/images", app.outdir / "docs/images", dirs_exist_ok=True)  # for HTML within notebooks
        names = check_site.undescribed(app.outdir, reference_pages.public(autodoc_mock_imports))
        faults = check_site.broken(app.outdir) + [f"{name}: on no page of the reference" for name in names]
        if faults:
            raise ExtensionError("\n".join(["the site is not complete:", *faults]))


def setup(app):
    """What Sphinx calls first."""
    app.connect("config-inited", write_reference)  # before Sphinx looks for documents
    app.connect("autodoc-process-docstring", escape, priority=400)  # before numpydoc
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skip)
    app.connect("build-finished", check, priority=900)
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
