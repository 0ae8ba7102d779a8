# Two commands: `make demo` and `make test`. Both set up first; `make help` lists the rest.
PYTHON ?= python3
RUN = .venv/bin/python -m
ARGS ?=
# The browser libraries need npm: the system's, or else a wheel's.
NPM_TOO = $(shell command -v npm >/dev/null || echo ,assets)

.PHONY: help demo test chaos lint types setup lock clean

help:  ## This list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/'

demo: setup  ## Play the whole way of a card on this machine; ARGS=--tour-only ends after the tour
	@$(RUN) wallet_service demo $(ARGS)

test: setup  ## All tests; ARGS is passed on to pytest
	@$(RUN) pytest -n auto $(ARGS)

lint: setup  ## Style, formatting, and the floors of the house
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@.venv/bin/python -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

types: setup  ## Types, strictly
	@$(RUN) mypy

chaos: setup  ## Everything goes wrong at once, for up to ten minutes; ARGS=--seed=N replays
	@$(RUN) tests.chaos $(ARGS)

setup: .venv/ready  ## Virtual environment, packages and browser libraries
	@$(RUN) tools.vendor

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 …"; exit 1; }
	@echo "Setting up .venv (once; about a minute)"
	@$(PYTHON) -m venv .venv
	@$(RUN) pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test$(NPM_TOO)]'
	@touch .venv/ready

lock: setup  ## Write the versions that are installed now to constraints.txt
	@$(RUN) pip freeze --exclude-editable > constraints.txt

clean:  ## Remove what setting up and the demo have made
	rm -rf .venv var node_modules wallet_service/web/static/vendor
