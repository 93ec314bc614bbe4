# make test: install what is missing, run the checks and all tests.
# make demo: install what is missing, run the whole job on the embedded default.
# make bench: measure speed as ratios within one run.
# make torture: the tests of faults at full size: killed at 50 random moments, at each step, ...
# make fuzz: attack every reader of files for SECONDS each; needs atheris (pip install atheris).
# make test-current: the tests where Python 3.12 or 3.13 and the current TensorFlow are found.
# make test-all: the tests, the demo and the built package, in the reference environment and, where
#   Python 3.12 or 3.13 is found, in a current one.
# make docs: write the pages that follow from the code, and build the site into site/.

PYTHON ?= $(shell for p in python3.11 python3.10 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
CURRENT_PYTHON ?= $(shell for p in python3.13 python3.12 \
	$(HOME)/.pyenv/versions/3.13.*/bin/python $(HOME)/.pyenv/versions/3.12.*/bin/python; do \
	$$p -c 'import sys; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
SECONDS ?= 60
FORMATS ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install test torture test-current lint demo bench docs package test-all clean

help:
	@sed -n 's/^# //p' Makefile

install: $(STAMP)

$(STAMP): requirements.txt setup.py pyproject.toml metaseg_tf/VERSION
	@test -n "$(PYTHON)" || { echo "no Python 3.10 to 3.13 found; name one: make PYTHON=/path/to/python" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 $(PYTEST_ARGS)

torture: $(STAMP)
	METASEG_TF_TORTURE=1 $(BIN)/python -m pytest tests/faults tests/test_cluster.py $(PYTEST_ARGS)

test-current:
ifneq ($(CURRENT_PYTHON),)
	$(MAKE) test VENV=.venv-current PYTHON=$(CURRENT_PYTHON)
	@echo "ran in a current environment, too ($(CURRENT_PYTHON))"
else
	@echo "ran in the reference environment only: found no Python 3.12 or 3.13"
endif

demo: $(STAMP)
	$(BIN)/metaseg-tf demo

# A process a file: peak memory is that of the file's own benchmarks.
bench: $(STAMP)
	rm -rf .benchmarks && mkdir -p .benchmarks
	status=0; for file in tests/benchmarks/test_*.py; do \
		$(BIN)/python -m pytest $$file --override-ini addopts=--import-mode=importlib -s -q \
			--benchmark-disable-gc --benchmark-json=.benchmarks/$$(basename $$file .py).json \
			$(PYTEST_ARGS) || status=1; done; \
	$(BIN)/python docs/make_benchmarks.py .benchmarks/*.json; exit $$status

$(VENV)/.docs-installed: $(STAMP) docs/requirements.txt
	$(BIN)/python -m pip install --quiet -r docs/requirements.txt
	@touch $@

docs: $(VENV)/.docs-installed
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# Build wheel and sdist, install each into a bare environment outside of the checkout, and run it.
package: $(STAMP)
	$(BIN)/python tests/packaging/try_package.py $(PACKAGE_ARGS)

test-all:
	$(MAKE) test demo package
ifneq ($(CURRENT_PYTHON),)
	$(MAKE) test demo package VENV=.venv-current PYTHON=$(CURRENT_PYTHON)
	@echo "ran in the reference environment ($(PYTHON)) and in a current one ($(CURRENT_PYTHON))"
else
	@echo "ran in the reference environment ($(PYTHON)) only: found no Python 3.12 or 3.13"
endif

fuzz: $(STAMP)
	$(BIN)/python tests/fuzz/fuzz.py $(SECONDS) $(FORMATS)

clean:
	rm -rf .venv .venv-current build dist site *.egg-info
