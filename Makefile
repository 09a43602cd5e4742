# Set-up is part of every target: a virtual environment from the lock, and dbt's manifest. A second call finds both.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
UV := uv==0.13.9
STAMP := $(VENV)/.installed-$(shell cat requirements.lock pyproject.toml Makefile | cksum | cut -d' ' -f1)
MANIFEST := dbt_project/target/manifest.json
DBT_SOURCES := $(shell find dbt_project -name target -prune -o -name logs -prune -o -type f -print)
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
# Two processes, a file each at a time, the slowest first: half of the time is waiting for other processes to start.
# `PYTEST_ARGS=` takes one process.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
export DBT_SEND_ANONYMOUS_USAGE_STATS = false
export GX_ANALYTICS_ENABLED = false
export DAGSTER_DISABLE_TELEMETRY = true
# Compiled modules halve the start of every command; some machines forbid them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo check test fuzz bench costs faults outages orders lost calibration lint types doctor lock clean
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) $(MANIFEST) ## virtual environment and dbt manifest

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "needs Python 3.11, 3.12 or 3.13 on the PATH"; exit 1; }
	@echo "set-up: virtual environment ($$($(PYTHON) --version))"; start=$$(date +%s); \
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	$(BIN)/python -m pip install -q --disable-pip-version-check $(UV) && \
	echo "set-up: packages from requirements.lock (about 600 MB once; compiled at install)" && \
	UV_PYTHON=$(BIN)/python $(BIN)/uv pip sync -q --require-hashes --compile-bytecode requirements.lock && \
	UV_PYTHON=$(BIN)/python $(BIN)/uv pip install -q --no-deps --no-build-isolation -e . && \
	$(BIN)/python -m compileall -q cic_assets && \
	rm -f $(VENV)/.installed-* && touch $@ && echo "set-up: packages done in $$(( $$(date +%s) - start )) s"

$(MANIFEST): $(STAMP) $(DBT_SOURCES)
	@start=$$(date +%s); $(BIN)/dbt --quiet parse --project-dir dbt_project --profiles-dir dbt_project && \
	touch $@ && echo "set-up: dbt parsed in $$(( $$(date +%s) - start )) s"

demo: setup ## raw files → marts, and the UI on :3000; WAIT=0 exits, INPUT=dir takes real files
	@$(BIN)/cic demo $(if $(filter 0,$(WAIT)),--no-wait) $(if $(INPUT),--input $(INPUT)) $(if $(PORT),--port $(PORT))

# Lint and types need a core each.
check: setup ## lint, types, unit tests, and those of Spark on the embedded engine
	@$(MAKE) --no-print-directory -j 2 lint types && $(BIN)/python -m pytest $(PYTEST_ARGS) tests/spark tests/unit

# Apache Spark's tier runs beside the others, which wait a lot; SPARK_TESTING gives each of its servers a port of its own.
# Its plans run once each: Java's second compiler, from ten times as many calls on, leaves 161 of 216 CPU s (260 tests).
QUICK_JAVA = -XX:+UseSerialGC -XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 \
	-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000
test: export SPARK_TESTING = 1
test: setup ## everything that CI runs
	@$(MAKE) --no-print-directory -j 2 lint types
	@if command -v java >/dev/null || test "$$CI" = true; then \
	JAVA_TOOL_OPTIONS="$(QUICK_JAVA)" $(BIN)/python -m pytest tests/spark --engine 'local[2]' -p no:cacheprovider >$(VENV)/spark.log 2>&1 & spark=$$!; fi; \
	$(BIN)/python -m pytest $(PYTEST_ARGS); failed=$$?; \
	if test -z "$$spark"; then echo "skipped on Apache Spark: no Java on the PATH (openjdk-17-jre-headless)"; exit $$failed; fi; \
	echo "the spark tier again, on Apache Spark"; wait $$spark || failed=1; cat $(VENV)/spark.log; exit $$failed

# A target that finds something stops here and names the file of its input. SECONDS_EACH=10 for a quick look.
SECONDS_EACH ?= 120
fuzz: setup ## malformed input: each decoder SECONDS_EACH, then 100,000 payloads through the whole ingest
	@for target in csv cdr status json xlsx sheet gzip shaped stream; do echo "fuzz: $$target, $(SECONDS_EACH) s"; \
	$(BIN)/python -m tests.fuzz.targets $$target $(SECONDS_EACH) || exit 1; done
	@$(BIN)/python -m tests.fuzz.bulk 100000
	@if command -v java >/dev/null; then $(BIN)/python -m tests.fuzz.bulk 8000 'local[2]'; \
	else echo "skipped on Apache Spark: no Java on the PATH (openjdk-17-jre-headless)"; fi

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && \
	$(BIN)/sqlfluff lint -q dbt_project/models dbt_project/tests dbt_project/macros

types: setup
	@$(BIN)/mypy

doctor: setup ## what is there and what is missing
	@$(BIN)/cic doctor

costs: setup ## what hostile files of growing size cost to decode; AGAINST=folder of another checkout
	@$(BIN)/python -m tests.fuzz.costs $(if $(AGAINST),--against $(AGAINST))

faults: setup ## kills, I/O errors, stale workers, restarts, from landing to marts; KILLS=240 ERRORS=96 SEED=1
	@$(BIN)/python -m tests.end_to_end.faults.sweep --kills $(or $(KILLS),240) --errors $(or $(ERRORS),96) --seed $(or $(SEED),1)

outages: setup ## Postgres, daemon and runs killed while UI and daemon are up, and power cuts: POSTGRES=20 DAEMON=20 WORKER=20 POWER=10
	@$(BIN)/python -m tests.end_to_end.outages --postgres $(or $(POSTGRES),20) --daemon $(or $(DAEMON),20) \
	--worker $(or $(WORKER),20) --power $(or $(POWER),10) --seed $(or $(SEED),1)

orders: setup ## random feeds in all orders of landing, cut at random: PAIRS=50 SEED=1
	@CIC_TEST_PAIRS=$(or $(PAIRS),50) CIC_TEST_SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/end_to_end/test_order.py \
	--timeout 7200

lost: setup ## the warehouse lost, restored and rebuilt, marts included
	@CIC_TEST_MARTS=1 $(BIN)/python -m pytest -n0 tests/end_to_end/test_rebuild.py --timeout 3600

bench: setup ## raw files → marts beside DuckDB and numpy by hand, answers compared: SIZE=hundredth (tenth, whole) ROUNDS=3
	@$(BIN)/python -m tests.bench.speed $(or $(SIZE),hundredth) $(or $(ROUNDS),3)

calibration: setup ## the simulated county beside three real operators: .cic/calibration/index.html
	@$(BIN)/python -m tests.bench.calibration

lock: ## requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url --universal \
	--python-version 3.11 --custom-compile-command "make lock" -q -o requirements.lock $(LOCK_ARGS)

clean: ## stop everything and remove what set-up and demo made
	@test ! -x $(BIN)/cic || $(BIN)/cic down --delete; rm -rf .cic $(VENV) dbt_project/target dbt_project/logs
