# One word for each thing a newcomer or CI does. Everything lives in .venv beside this file.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SONGS ?= examples/calypso
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help setup demo studio test test-slow test-again test-recipes check bench clean
help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Angen needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(VENV)/.installed ## make .venv and install angen into it

demo: setup ## train an adapter on examples/calypso (or SONGS=folder) and compare it with the base
	$(BIN)/angen demo "$(SONGS)"

studio: setup ## open the studio page in the browser
	$(BIN)/angen studio

# Two tests at a time, one thread each; a file's tests stay together.
TWO := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

test: setup ## the plain tests, a few minutes
	$(TWO)

test-slow: setup ## the slow tests that prove the main job
	$(TWO) -m slow

test-again: setup ## the slow tests that failed, once more, one at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m slow --last-failed --last-failed-no-failures none

check: setup ## lint, format, types, import contract, doctests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q --doctest-modules src README.md --doctest-glob='*.md'

test-recipes: setup ## rendering tests; need the soundfonts named in recipes/angen_tiny/README.md
	$(BIN)/python -m pip install -q --no-deps tinysoundfont
	$(BIN)/python -m pytest -q -m soundfonts

bench: setup ## measure speed as ratios within one run
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	$(BIN)/python -m bench

clean: ## remove .venv and caches (never the workspace)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build
