# Everything happens in a local virtual environment; nothing but Python >= 3.11 and make is needed.
PYTHON ?= python3
VENV ?= .venv
# One more than two cores have: some tests wait, for Slurm and browsers.
JOBS ?= 3
BIN := $(VENV)/bin
# Frost needs this package's photographs, and none of the code that it would otherwise bring along.
TEXTURES := $(BIN)/python -m pip install --quiet --no-deps imagecorruptions-imaug==1.1.5
# sinabs needs nothing of the chip tools that it would otherwise bring along.
SINABS := $(BIN)/python -m pip install --quiet --no-deps sinabs==3.1.3
DOCS := build/docs-env
SHELL := /bin/bash

.PHONY: quickstart test lint schema docs docs-serve clean

quickstart: $(VENV)/.installed  ## install and take the quickstart suite to a draft of its leaderboard
	$(BIN)/rbsnn run suites/quickstart.yaml --draft --jobs 2

test: $(VENV)/.installed-test  ## install and run all tests that this machine can run
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-dev  ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

schema: $(VENV)/.installed  ## write the JSON schema that suite files name
	$(BIN)/rbsnn schema > robustbench_snn/suite.schema.json

docs: $(DOCS)/.installed  ## build the documentation as a site, build/site-docs; a broken link or a page left out fails
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

docs-serve: $(DOCS)/.installed  ## show the site, and build it again whenever a page changes
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs serve

$(DOCS)/.installed: docs/site/requirements.txt
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.'
	$(TEXTURES)
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	$(TEXTURES)
	$(SINABS)
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(TEXTURES)
	$(SINABS)
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
