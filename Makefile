# Everything a developer or a newcomer types. Bare `make` lists it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help quickstart dev fix lint weigh test test-there test-again test-fast shapes check durations test-python test-lowest chaos fuzz fuzz-quick bench bench-quick docs package packages

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(VENV)/.runs ## install, run the embedded study, write reports/quickstart.html
	$(BIN)/hinet-search launch quickstart

dev: $(STAMP) ## create .venv with everything for development

fix: $(STAMP) ## format, and apply automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP) ## check format, lint, types, import contracts and weight
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd benchmarks && ../$(BIN)/mypy --config-file ../pyproject.toml --explicit-package-bases *.py replay/*.py
	$(BIN)/lint-imports
	$(BIN)/python .ci/weigh

weigh: ## print how large the project is; fails above the budgets of .ci/weight.json
	.ci/weigh

# tests/groups.py says which tests run alone, and which are slow. Long files come first, so that all workers end together.
# SECONDS: what each test took, for tests/durations.py.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest
SECONDS := --junit-xml=.pytest_cache
ALONE := $(SECONDS)/alone.xml -m alone tests/chaos tests/executors
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
test: $(STAMP) packages ## install and run all tests
	@$(MAKE) --no-print-directory test-there

test-again: $(STAMP) ## run the tests that failed once more, one at a time; then those that run alone, if they have not run
	$(PYTEST) --last-failed --last-failed-no-failures none -m "not alone" -rA --tb=long || [ $$? = 5 ]
	$(PYTEST) --last-failed --last-failed-no-failures all $(ALONE) -rA --tb=long

test-fast: $(STAMP) ## run the fast tests: no killed processes, Ray or browser
	tests/in_memory.sh env $(PYTEST) $(PARALLEL) -m "not (alone or slow or browser or postgres)"

shapes: $(STAMP) ## check shapes and types of tensors in the calls that tests of models and losses make
	CHECK_SHAPES=1 $(PYTEST) -q tests/models/test_every_model.py tests/models/layers tests/training/test_every_loss.py

check: lint shapes test ## lint, shapes and tests; must be green before a commit

# A fresh environment each, without the pins of constraints.txt: ten minutes for packages, twenty for the tests.
test-python: packages ## run all tests with another Python: make test-python VERSION=3.13
	python$(VERSION) -m venv $(VENV)-$(VERSION)
	$(VENV)-$(VERSION)/bin/python -m pip install --quiet -e '.[test]'
	@$(MAKE) --no-print-directory test-there BIN=$(VENV)-$(VERSION)/bin

test-lowest: packages ## run all tests with the lowest versions of the dependencies
	$(PYTHON) -m venv $(VENV)-lowest
	.ci/lowest > $(VENV)-lowest/lowest.txt
	$(VENV)-lowest/bin/python -m pip install --quiet -c $(VENV)-lowest/lowest.txt -e '.[test]'
	@$(MAKE) --no-print-directory test-there BIN=$(VENV)-lowest/bin

test-there:
	$(PYTEST) $(PARALLEL) $(SECONDS)/parallel.xml -m "not alone"
	$(PYTEST) $(ALONE)

durations: $(STAMP) ## write how long each test file may take, from the last `make test`
	$(BIN)/python -m tests.durations --write

chaos: $(STAMP) ## kill processes, restart databases and fill disks for 20 to 25 minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos

fuzz: $(STAMP) ## try odd files, values and rows for ten minutes
	FUZZ_EXAMPLES=400 $(BIN)/pytest -q --timeout 3600 tests/fuzz

fuzz-quick: $(STAMP) ## the same for a minute, new inputs alone
	FUZZ_EXAMPLES=50 nice -n 10 $(BIN)/pytest -q tests/fuzz -k a_new_input

bench: $(STAMP) ## compare the speed of two versions in one run, as ratios
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py

bench-quick: $(STAMP) ## the same on fewer rows, in less than two minutes
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py --quick

package: $(STAMP) ## build wheel and source archive, install the wheel elsewhere, and launch a small study there
	OMP_NUM_THREADS=1 .ci/package

docs: $(STAMP) packages ## build the site of the documentation into site/, with the report of a stored study
	$(BIN)/python docs/pictures.py example
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Chromium drives the pages in tests, and LightGBM needs the OpenMP runtime.
# Installed where that is allowed; else this says what to install.
packages: $(STAMP)
	@wanted=""; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || wanted="chromium chromium-driver"; \
	$(BIN)/python -c "import lightgbm" 2>/dev/null || wanted="$$wanted libgomp1"; \
	if [ -z "$$wanted" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$wanted >/dev/null; \
	else echo "The tests need these packages: $$wanted. Install them, and run this again."; exit 1; fi

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(STAMP): $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.runs
