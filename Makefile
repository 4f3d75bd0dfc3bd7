# `make help` lists the verbs. PYTHON=python3.12 make install  takes another interpreter.

# The first of these that is 3.11 or newer; python3 where none is, for the message below.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
          $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)) python3)
VENV   := .venv
BIN    := $(VENV)/bin
UV     := uv==0.13.8
LOCK    = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
          --no-emit-index-url --custom-compile-command "make lock" --upgrade pyproject.toml --group build

.DEFAULT_GOAL := help
.PHONY: run test install bench lock lint fmt docs clean help

run: install  ## set up and start the PACS on ./var/pacs
	@exec $(BIN)/pacs serve --data var/pacs

test: $(VENV)/.installed-dev  ## set up, check style, types and import directions, and pass the tests
	@tests/setup
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest $(PYTEST)

install: $(VENV)/.installed  ## create .venv with the `pacs` command

bench: $(VENV)/.installed-dev  ## measure side by side with Orthanc and dcmqrscp
	@$(BIN)/python -m benchmarks $(BENCH)

lock: install  ## choose dependencies anew and write both lock files
	$(BIN)/pip install --quiet $(UV)
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group dev --output-file requirements-dev.lock

lint: $(VENV)/.installed-dev  ## check style, types and import directions
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: $(VENV)/.installed-dev  ## put the code into shape
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

docs: install  ## write what the code says into CONFORMANCE.md and docs/settings.md
	@$(BIN)/python -m pacs.conformance CONFORMANCE.md
	@$(BIN)/pacs settings --markdown >docs/settings.md

clean:  ## remove .venv and caches; data in var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: Python 3.11 or newer is needed; name one, e.g.: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "make: $(PYTHON) cannot create virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }

# Stamps: nothing is done again until a lock file or pyproject.toml changes.
$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
