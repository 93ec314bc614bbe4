# make test: install what is missing, run the checks and all but the long tests.
# make demo: install what is missing, run the whole job on the embedded default.
# make bench: measure speed as ratios within one run.
# make torture: the tests of faults at full size: killed at 50 random moments, at each step, ...
# make fuzz: attack every reader of files for SECONDS each; needs atheris (pip install atheris).
# make test-current: the same where Python 3.12 or 3.13 and the current TensorFlow are found.
# make test-newest: the tests with the newest versions that resolve, on the newest Python found.
# make test-lowest: the tests with the lowest versions that setup.py allows, where 3.10 is found.
# make test-all: all of these and the long tests; in the first two environments the demo and the
#   built package, too.
# make docs: write the pages that follow from the code, and build the site into site/.

PYTHON ?= $(shell for p in python3.11 python3.10 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
find_python = $(shell for v in $(1); do for p in python$$v $(HOME)/.pyenv/versions/$$v.*/bin/python; \
	do $$p -c '' 2>/dev/null && echo $$p && exit; done; done)
CURRENT_PYTHON ?= $(call find_python,3.13 3.12)
LOWEST_PYTHON ?= $(call find_python,3.10)
# The pinned versions; the newest and the lowest environment have their own.
DEPENDENCIES ?= -r requirements.txt
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
SECONDS ?= 60
FORMATS ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install test pytest torture test-current test-newest test-lowest lint demo bench docs \
	package test-all clean

help:
	@sed -n '/^# /!q; s/^# //p' Makefile

install: $(STAMP)

$(STAMP): requirements.txt setup.py pyproject.toml metaseg_tf/VERSION
	@test -n "$(PYTHON)" || { echo "no Python 3.10 to 3.13 found; name one: make PYTHON=/path/to/python" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(DEPENDENCIES)
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(MAKE) pytest PYTEST_ARGS="-m 'not long' $(PYTEST_ARGS)"

# All tests. Each process takes neighbouring files, whose fixtures are thus made once, and steals
# from the others at the end; a thread for each, as there are as many processes as cores.
pytest: $(STAMP)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 \
		--dist worksteal $(PYTEST_ARGS)

torture: $(STAMP)
	METASEG_TF_TORTURE=1 $(BIN)/python -m pytest tests/faults tests/runs/test_cluster.py $(PYTEST_ARGS)

test-current:
ifneq ($(CURRENT_PYTHON),)
	$(MAKE) test VENV=.venv-current PYTHON=$(CURRENT_PYTHON)
	@echo "ran in a current environment, too ($(CURRENT_PYTHON))"
else
	@echo "ran in the reference environment only: found no Python 3.12 or 3.13"
endif

# No stamp is kept: what is newest changes from day to day.
test-newest:
	rm -f .venv-newest/.installed
	$(MAKE) pytest VENV=.venv-newest PYTHON=$(or $(CURRENT_PYTHON),$(PYTHON)) \
		DEPENDENCIES="--upgrade --upgrade-strategy eager --editable .[dev,cluster,onnx]"

test-lowest:
ifneq ($(LOWEST_PYTHON),)
	test -x .venv-lowest/bin/python || $(LOWEST_PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python tests/packaging/lowest.py > .venv-lowest/lowest.txt
	$(MAKE) pytest VENV=.venv-lowest PYTHON=$(LOWEST_PYTHON) \
		DEPENDENCIES="--constraint .venv-lowest/lowest.txt --editable .[dev,cluster,onnx]"
else
	@echo "did not run with the lowest versions: found no Python 3.10"
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
	$(MAKE) lint pytest demo package
ifneq ($(CURRENT_PYTHON),)
	$(MAKE) lint pytest demo package VENV=.venv-current PYTHON=$(CURRENT_PYTHON)
	@echo "ran in the reference environment ($(PYTHON)) and in a current one ($(CURRENT_PYTHON))"
else
	@echo "ran in the reference environment ($(PYTHON)) only: found no Python 3.12 or 3.13"
endif
	$(MAKE) test-newest test-lowest

fuzz: $(STAMP)
	$(BIN)/python tests/fuzz/fuzz.py $(SECONDS) $(FORMATS)

clean:
	rm -rf .venv .venv-current .venv-newest .venv-lowest build dist site *.egg-info
