# Everything starts here: each target does its own set-up on a machine with Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
PORT ?= 8399
ROWS ?= 20m
PYTEST := $(BIN)/python -m pytest
unexport PYTHONDONTWRITEBYTECODE  # every process of a test run would compile all modules again

.PHONY: help demo serve test ci slow check lint format docs faults shown pins locks offline release site bench-ledger bench-features bench-signals bench-training bench-attainable bench-small bench-books bench-coverage bench-error bench-sponsors bench-forecast bench-scenarios bench-stability bench-monitoring bench-weekly bench-bulk bench-outreach bench-serving bench-store clean
.DEFAULT_GOAL := help

help:  ## List these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	@echo "installing into $(VENV) (a minute or two, the first time)" >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## Simulate a book of 1,500 accounts and run the whole job on it
	@$(BIN)/perennial demo

serve: $(STAMP)  ## The same, then open the dashboard on this machine
	@$(BIN)/perennial demo --serve

test: $(STAMP)  ## The fast tests (under 90 s on two cores)
	@$(PYTEST) -n $(WORKERS) --dist loadfile -m "not slow and not ci"

ci: $(STAMP)  ## The tests that `make test` leaves to .ci/run
	@$(PYTEST) -n $(WORKERS) -m "ci and not slow"

slow: $(STAMP) build/venv-site/.installed  ## The slow suite, with Spark on this machine (under an hour; needs Java 17)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,spark]'
	@$(PYTEST) -m slow --hypothesis-profile=wide

lint: $(STAMP)  ## Format, lint, types, import direction; nothing is changed
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

check: lint test  ## The gate before a commit: lint, then the fast tests

format: $(STAMP)  ## Format, and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(STAMP)  ## Write again the pages that are made from the program
	@$(BIN)/python -m serving.manual docs README.md

faults: $(STAMP)  ## Run every test but the slow ones and write docs/faults.md from the outcomes
	@$(PYTEST) -n $(WORKERS) -m "not slow" --fault-table=docs/faults.md

shown: $(STAMP)  ## Run the demo and write again what the README shows of it (needs Chromium)
	@$(BIN)/perennial demo > docs/demo.txt
	@$(MAKE) --no-print-directory docs
	@cd demo && { ../$(BIN)/perennial serve --port $(PORT) 2>/dev/null & server=$$!; sleep 8; \
	  first=$$(curl -s "http://127.0.0.1:$(PORT)/v1/outreach?limit=1" | grep -o '"account_id":"[^"]*"' | cut -d'"' -f4); \
	  for shot in dashboard: forecast:forecast account:accounts/$$first; do \
	    chromium --headless --no-sandbox --hide-scrollbars --window-size=1440,1190 \
	      --screenshot=../docs/images/$${shot%%:*}.png http://127.0.0.1:$(PORT)/$${shot#*:} 2>/dev/null; \
	  done; kill $$server; }

pins: $(STAMP)  ## Write constraints.txt from what is installed in .venv
	@$(BIN)/python -m pip freeze --disable-pip-version-check --exclude-editable > constraints.txt
	@touch $(STAMP)

build/venv-%/.installed: .ci/release/locks/%.txt
	@$(PYTHON) -m venv --clear build/venv-$*
	@build/venv-$*/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

locks: build/venv-tools/.installed  ## Write the locks of .ci/release/locks: versions and hashes
	@PYTHONPATH=.ci build/venv-tools/bin/python -m release.locks

offline: $(STAMP)  ## The fast tests in a network of this machine only; fails if anybody is called
	@PYTHONPATH=.ci $(BIN)/python -m release.loopback $(PYTEST) -n $(WORKERS) --dist loadfile -m "not slow and not ci"

release: build/venv-tools/.installed  ## Build, try, bill and audit a release into dist/ (docs/release.md)
	@PYTHONPATH=.ci build/venv-tools/bin/python -m release $(ASKED)

site: build/venv-site/.installed  ## Make the pages of docs/ into a site, in build/site
	@PYTHONPATH=.ci build/venv-site/bin/python -m release.site

bench-ledger: $(STAMP)  ## Time the ledger on 1,000,000 contract periods beside pandas and a scan
	@$(BIN)/python -m benchmarks.ledger_scale

bench-features: $(STAMP)  ## Time ingest and signals on 20M usage rows beside pandas, DuckDB, Polars
	@$(BIN)/python -m benchmarks.feature_scale --rows $(ROWS)

bench-signals: $(STAMP)  ## Compare what all signals predict with what the first families did
	@$(BIN)/python -m benchmarks.signal_gain

bench-training: $(STAMP)  ## Train on 20,000 accounts and on the demo's book, stage by stage
	@$(BIN)/python -m benchmarks.training_scale

bench-attainable: $(STAMP)  ## Compare what is learned with the most that could be, on worlds of known truth
	@$(BIN)/python -m benchmarks.attainable

bench-small: $(STAMP)  ## Fit a small public churn table beside plain models (fetches one package)
	@test -d build/small || $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --target build/small 'empulse==0.13.1'
	@PYTHONPATH=build/small $(BIN)/python -m benchmarks.small_data

bench-books: $(STAMP)  ## Judge books that we did not write, out of time, beside plain models
	@$(BIN)/python -m benchmarks.real_books

bench-coverage: $(STAMP)  ## Count how often intervals hold, in nine cells of simulated books
	@$(BIN)/python -m benchmarks.coverage

bench-error: $(STAMP)  ## Measure NRR's error on simulated books beside the oracle and the baselines
	@$(BIN)/python -m benchmarks.forecast_error

bench-sponsors: $(STAMP)  ## Forecast real money from every past quarter, beside what happened
	@$(BIN)/python -m benchmarks.sponsors_forecast

bench-forecast: $(STAMP)  ## Time the forecast of 100,000 accounts beside plain Monte Carlo
	@$(BIN)/python -m benchmarks.forecast_scale

bench-scenarios: $(STAMP)  ## Time a stored forecast and a scenario of a server, beside a bare echo
	@$(BIN)/python -m benchmarks.forecast_latency

bench-stability: $(STAMP)  ## Score a simulated year week by week: how often cells move, and how late
	@$(BIN)/python -m benchmarks.stability

bench-monitoring: $(STAMP)  ## How often monitoring raises in quiet worlds, how soon where a world turns
	@$(BIN)/python -m benchmarks.monitoring

bench-weekly: $(STAMP)  ## Time the weekly job on 20M usage rows, and the week after
	@$(BIN)/python -m benchmarks.weekly --rows $(ROWS)

bench-bulk: $(STAMP)  ## Score 2,000,000 accounts: one machine beside a Spark cluster of two workers
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,spark]'
	@$(BIN)/python -m benchmarks.bulk_scale

bench-outreach: $(STAMP)  ## Lay what the list saves beside an oracle, where outreach works in a known way
	@$(BIN)/python -m benchmarks.outreach_worth

bench-store: $(STAMP)  ## Fill a store with five years of weeks: its bytes, and how soon a history is there
	@$(BIN)/python -m benchmarks.store_size

bench-serving: $(STAMP)  ## Ask a server of 5,000 accounts in an open loop, beside a bare echo
	@$(BIN)/python -m benchmarks.serving_load

clean:  ## Remove what was built, trained and simulated (.venv stays)
	rm -rf build dist demo .perennial .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find mlruns -mindepth 1 ! -name .gitkeep -delete
