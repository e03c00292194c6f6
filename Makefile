# Everything starts here: `make demo` and `make test` do all the set-up on a machine with Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
XDIST := -n 2

.PHONY: help demo serve test ci check format docs slow clean
.DEFAULT_GOAL := help

help:  ## List these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	@echo "installing into $(VENV) (about two minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## Simulate a book of 1,500 accounts and run the whole job on it
	@$(BIN)/perennial demo

serve: $(STAMP)  ## The same, then open the dashboard on this machine
	@$(BIN)/perennial demo --serve

test: $(STAMP)  ## The fast tests (under 90 s)
	@$(BIN)/python -m pytest $(XDIST) -m "not slow and not ci"

ci: $(STAMP)  ## The tests that `make test` leaves to the gate
	@$(BIN)/python -m pytest $(XDIST) -m "ci and not slow"

slow: $(STAMP)  ## The slow suite (under an hour)
	@$(BIN)/python -m pytest -m slow

check: $(STAMP)  ## The gate: format, lint, types, floors, tests, docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

format: $(STAMP)  ## Format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## Remove what was built, trained and simulated
	rm -rf build dist demo .perennial .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find mlruns -mindepth 1 ! -name .gitkeep -delete
