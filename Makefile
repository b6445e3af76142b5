# The same targets people and CI call. Everything runs from .venv, which `make setup` creates.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# nltk, which llama-index carries, refuses hard-linked files: copy them.
export UV_LINK_MODE := copy
export UV_PYTHON_DOWNLOADS := never
# One thread per numeric library and process: two on two cores are slower than one.
export OMP_NUM_THREADS ?= 1
# uv installs without compiling: unless the first process keeps what it compiled, each of hundreds compiles again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-slow test-live check bench serve lock clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.installed  ## create .venv with everything kbm needs

setup-dev: $(VENV)/.installed-dev  ## the same, with the tools of make check and make test

demo: setup  ## build the sample company, publish it and ask three questions
	$(BIN)/kbm demo

serve: setup  ## serve the sample company at http://127.0.0.1:8000
	cd kbm-demo && ../$(BIN)/kbm serve

test: setup-dev  ## the tests, a few minutes
	$(BIN)/python -m pytest -n 2

test-slow: setup-dev  ## the long tests
	$(BIN)/python -m pytest -m slow

test-live: setup-dev  ## install real servers and test against them; what cannot run here skips with a reason
	$(BIN)/python -m tests.live.install
	$(BIN)/python -m pytest -m "" -rs tests/live tests/unit/parsing/test_legacy_and_scans.py

check: setup-dev  ## style, types, layers, locks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --verbose
	tests/house/locks_are_current.sh $(BIN)/uv

bench: setup-dev  ## measure; writes bench/results/*.json and a table
	$(BIN)/python -m bench

lock: $(BIN)/uv  ## resolve the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml requirements-models.in -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## remove what make made
	rm -rf $(VENV) .venv-live kbm-demo build dist
