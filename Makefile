# The two commands of every day are `make lab` and `make test`; `make` alone lists the rest.
# Everything happens in .venv; stamps there re-install when pyproject.toml or constraints.txt changed, and only then.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install -q -c constraints.txt
REQUIREMENTS := pyproject.toml constraints.txt

LAB_ARGS ?=
PYTEST_ARGS ?=
PARALLEL := -n 2 --dist loadscope --no-loadscope-reorder
NOTEBOOKS ?=
RELIABILITY_ARGS ?=
SHOTS ?=
PEERS_ARGS ?= --figure docs/images/break_even.png

.DEFAULT_GOAL := help
.PHONY: help lab env test test-slow reliability docs demo bench peers notebooks pictures screenshots looks constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(VENV)/.installed ## open the workbench in JupyterLab (LAB_ARGS="--port 9999")
	$(BIN)/python -m sparselab warm >/dev/null 2>&1 & # compiles while JupyterLab opens
	$(BIN)/jupyter trust notebooks/*.ipynb >/dev/null # so that a reload of the page shows panels and not their text
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb --ServerApp.root_dir="$(CURDIR)" $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

env: $(VENV)/.installed-test ## make .venv with everything needed to run and to test

test: $(VENV)/.installed-test ## lint, architecture, types, tests, notebooks (PYTEST_ARGS="-x")
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pytest $(PARALLEL) $(PYTEST_ARGS)
	SPARSELAB_FAST=1 $(BIN)/pytest $(PARALLEL) -p nbval --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval.cfg notebooks/

test-slow: $(VENV)/.installed-test-slow ## the tests marked slow, those with PyTorch among them (installs it)
	$(BIN)/pytest -m slow $(PARALLEL) $(PYTEST_ARGS)

reliability: $(VENV)/.installed-test ## measure every promise of docs/reliability.md (RELIABILITY_ARGS="--stress=quick")
	$(BIN)/pytest tests/stress -n 1 --stress=full $(RELIABILITY_ARGS)

docs: $(VENV)/.installed-docs ## build the site in out/site; a warning, a failing example or a broken link is an error
	$(BIN)/python -m sphinx -W --keep-going -q -j 2 -c docs -d out/doctrees . out/site

demo: $(VENV)/.installed ## a short run without a notebook; figures and tables go to out/
	$(BIN)/python -m sparselab demo --out out/

bench: $(VENV)/.installed-bench ## compare with dense and masked PyTorch (installs it)
	$(BIN)/python -m benchmarks.kernels
	$(BIN)/python -m benchmarks.training

peers: $(VENV)/.installed-test ## other sparse and dense libraries, each in its own environment (PEERS_ARGS="--quick")
	$(BIN)/python -m benchmarks.peers $(PEERS_ARGS)

notebooks: $(VENV)/.installed-test ## execute the notebooks in place (NOTEBOOKS="notebooks/03_all_relu.ipynb")
	$(BIN)/python notebooks/execute.py $(NOTEBOOKS)

pictures: $(VENV)/.installed ## draw docs/images/evolution.png, the README's stepped picture
	$(BIN)/python docs/pictures.py

screenshots: $(VENV)/.installed-test ## photograph every notebook's panel in JupyterLab, into docs/images (SHOTS="05 08")
	$(BIN)/python docs/screenshots.py $(SHOTS)

looks: $(VENV)/.installed-test ## photograph every view of every panel in both themes and three widths, into out/looks (SHOTS="05 08")
	$(BIN)/python docs/screenshots.py --views --looks --out out/looks $(SHOTS)

# A fresh venv holds what we ask for and nothing else, so its freeze is the list.
constraints: ## pin the newest versions our bounds allow, in constraints.txt
	@set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(PYTHON) -m venv "$$fresh"; \
	"$$fresh/bin/python" -m pip --disable-pip-version-check install -q -e ".[test,voila,docs]"; \
	{ sed -n '/^#/p' constraints.txt; "$$fresh/bin/python" -m pip freeze --all --exclude pip --exclude-editable; } > "$$fresh/pins"; \
	cp "$$fresh/pins" constraints.txt
	@echo "constraints.txt is new: look at the diff, then run make test"

clean: ## remove caches and build leftovers (never .venv, data/ or runs/)
	rm -rf build dist out docs/gallery docs/reference/pages docs/reference/names *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache .benchmarks
	find benchmarks notebooks sparselab tests \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# pip is the last thing `venv` makes: a half-made environment (Debian without python3-venv) is made again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
	echo "sparselab needs Python 3.11 or newer, and $(PYTHON) is: $$($(PYTHON) --version 2>&1 || true)"; \
	echo "choose another one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(REQUIREMENTS) | $(BIN)/pip
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: $(REQUIREMENTS) | $(BIN)/pip
	$(INSTALL) -e ".[test]"
	@touch $(VENV)/.installed $@

$(VENV)/.installed-test-slow: $(REQUIREMENTS) | $(BIN)/pip
	$(INSTALL) -e ".[test,torch,bench,docs,voila]" # bench: the one version of PyTorch that results are compared with; docs: gymnasium
	@touch $(VENV)/.installed $(VENV)/.installed-test $@

$(VENV)/.installed-docs: $(REQUIREMENTS) | $(BIN)/pip
	$(INSTALL) -e ".[docs]"
	@touch $(VENV)/.installed $@

$(VENV)/.installed-bench: $(REQUIREMENTS) | $(BIN)/pip
	$(INSTALL) -e ".[bench]"
	@touch $(VENV)/.installed $@
