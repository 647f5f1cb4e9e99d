# Everything a developer or a newcomer types. Bare `make` lists it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help quickstart dev fix lint test check chaos bench bench-quick browser

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(VENV)/.runs ## install, run the embedded study, write reports/quickstart.html
	$(BIN)/hinet-search launch quickstart

dev: $(STAMP) ## make .venv with everything to develop

fix: $(STAMP) ## format and repair what a tool can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd benchmarks && ../$(BIN)/mypy --config-file ../pyproject.toml --explicit-package-bases *.py
	$(BIN)/lint-imports

# Tests that kill, pause and time processes run after all others, one at a time.
ALONE := $(addprefix tests/,chaos executors search security)
test: $(STAMP) browser ## install and run all tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile $(addprefix --ignore=,$(ALONE))
	OMP_NUM_THREADS=1 $(BIN)/pytest $(ALONE)

check: lint test ## lint and test: what must be green before a commit

chaos: $(STAMP) ## twenty minutes of killed processes, restarted databases and full disks
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos

bench: $(STAMP) ## speed, two versions in one run, as ratios
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py

bench-quick: $(STAMP) ## the same on fewer rows, under two minutes
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py --quick

# Chromium drives the pages in tests. Installed where that is allowed; else this says what to install.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null; \
	  else echo "The browser tests need Chromium: install the packages 'chromium' and 'chromium-driver'."; exit 1; fi; }

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(STAMP): $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.runs
