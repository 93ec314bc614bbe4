# make test: install what is missing, run the checks and all tests.
# make demo: install what is missing, run the whole job on the embedded default.
# make bench: measure speed as ratios within one run.

PYTHON ?= $(shell for p in python3.11 python3.10 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install test lint demo bench clean

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
	$(BIN)/python -m pytest $(PYTEST_ARGS)

demo: $(STAMP)
	$(BIN)/metaseg-tf demo

bench: $(STAMP)
	$(BIN)/python -m pytest tests/benchmarks --override-ini addopts= -s --benchmark-disable-gc \
		--benchmark-json=bench.json $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info
