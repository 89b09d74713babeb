# The README's two commands are `make demo` and `make test`. Each makes .venv, installs what it needs, does its job.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
EXTRAS ?= torch,xgboost,dashboard,cmaes,fsspec,plot,parquet,mlflow,tensorboard,wandb,notify,metrics,dev

.PHONY: help install demo test test-chaos check lint types unit bench bench-scale settings-matrix sql docs-tables clean
.PHONY: test-install test-containers test-lowest test-newest test-pythons test-one-core test-busy test-properties entered
.DEFAULT_GOAL := help

# A target's line ends in a comment that begins with two signs; this prints them, and a test asks for each.
help:  ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## /\1: /p' $(firstword $(MAKEFILE_LIST)) | awk -F': ' '{printf "make %-26s %s\n", $$1, $$2}'

# The stamp is newer than what decides the environment's content, or the environment is made again.
install: $(VENV)/.installed  ## only make .venv
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

DEMO := xgboost-digits
# Two workers in the background, their log in a file; in the foreground, how far the study is.
demo: install  ## tune a real XGBoost model with two workers on an embedded Postgres
	$(BIN)/hpotool create-study studies/xgboost_digits.yaml
	@echo "hpotool worker --study $(DEMO) --gpu none --workers 2"
	@$(BIN)/hpotool worker --study $(DEMO) --gpu none --workers 2 2> demo.log & worker=$$!; \
	 $(BIN)/hpotool watch --study $(DEMO) & watch=$$!; \
	 trap 'kill $$worker $$watch 2>/dev/null' INT TERM; \
	 wait $$worker || { kill $$watch; cat demo.log; exit 1; }; wait $$watch
	$(BIN)/hpotool best --study $(DEMO)
	$(BIN)/hpotool importance --study $(DEMO)
	@echo "next: $(BIN)/hpotool dashboard"

# Beside each other: the tests wait for one core at their beginning and end, and the linters use only one.
check: install  ## lint, format, import contracts, types, unit tests
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target unit types lint

lint: install  ## only the linters, the format and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/deptry --no-ansi .

types: install  ## only the type checker
	$(BIN)/mypy

# A third of the generated examples that `make test` takes. Compiled tests are kept even where the shell forbids it:
# each process compiles all of them otherwise, for five seconds.
unit: export HPOTOOL_TEST_EXAMPLES ?= few
unit: export PYTHONDONTWRITEBYTECODE =
# Each core has its process: a second thread of the linear algebra waits for the first by spinning.
unit test-properties: export OMP_NUM_THREADS = 1
unit: install  ## only the unit tests
	$(BIN)/pytest -q -n logical --dist worksteal tests/unit

ON_NEWEST := optuna_contract.py attempts.py branches.py postgres_storage.py schema.py control.py refusals.py \
	settings_matrix.py
EVERY_TEST := $(BIN)/pytest -q -n 2 --dist loadgroup tests
test: export HPOTOOL_TEST_EXAMPLES ?= same
test: check  ## every check and every test
	@.ci/install-test-programs
	$(EVERY_TEST) --ignore tests/unit
	@echo "once more on the newest Postgres: Optuna's contract, and what is written in SQL"
	HPOTOOL_TEST_POSTGRES=18 $(BIN)/pytest -q -n 2 $(addprefix tests/integration/storage/test_,$(ON_NEWEST))

# Random faults, longer: 50 seeds, 100 trials each, about an hour on two cores.
SEEDS ?= 50
test-chaos: install  ## random faults on fifty fleets, about an hour
	HPOTOOL_TEST_CHAOS_SEEDS=$(SEEDS) HPOTOOL_TEST_CHAOS_TRIALS=100 HPOTOOL_TEST_CHAOS_WORKERS=8 \
	 $(BIN)/pytest -q -s tests/faults/test_chaos.py

test-properties: install  ## unit tests with a thousand new examples each, until one fails (ten minutes)
	HPOTOOL_TEST_EXAMPLES=search $(BIN)/pytest -q -n 2 tests/unit

# By hand: a few minutes. It needs no coverage tool, which would take twice as long.
entered: install  ## list the functions of study, worker and analysis that no unit test enters
	rm -rf build/entered && mkdir -p build/entered
	HPOTOOL_TEST_EXAMPLES=few HPOTOOL_TEST_ENTERED=$(CURDIR)/build/entered \
	 $(BIN)/python -m pytest -q -n 2 -p tests.entered tests/unit
	$(BIN)/python -m tests.entered build/entered

test-install:  ## the wheel in environments that pip, pipx and uv make, each running an example (about five minutes)
	.ci/test-install $(PYTHON)

test-containers: install  ## build docker-compose.yml's image and run it on a real engine (about ten minutes)
	.ci/containers/with-engine $(BIN)/pytest -q tests/containers/run_compose.py

test-lowest test-newest:  ## on the oldest dependencies that are admitted, or the newest
	.ci/test-with $(@:test-%=%) $(PYTHON)

test-pythons:  ## on each supported Python that is on this machine
	.ci/each-python .ci/test-with pinned

test-one-core: install  ## every test on one core
	@.ci/install-test-programs
	taskset --cpu-list 0 $(EVERY_TEST)

test-busy: install  ## every test beside a busy loop on each core
	@.ci/install-test-programs
	.ci/beside-busy-loops $(EVERY_TEST)

bench: install  ## measure against plain Optuna, in one run, as ratios
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.script --output docs/benchmarks.json
	$(BIN)/python -m tests.benchmarks.attempts --json build/attempts.json

# By hand, on a quiet machine: an hour and 10 GB with a million trials.
TRIALS ?= 1000000
bench-scale: install  ## measure many connections, a long study and waiting workers
	$(BIN)/python -m tests.benchmarks.scale --trials $(TRIALS)

# A small study under each setting of a server, role, pooler or environment that could break a promise (a minute).
settings-matrix: install  ## print how a small study fares under each setting of Postgres
	@.ci/install-test-programs
	$(BIN)/python -m tests.settings_matrix

sql: install  ## write each SQL statement as it is sent to build/sql
	$(BIN)/python -m hpotool.storage.database.queries --all build/sql

docs-tables: install  ## write the docs' tables that follow from the code
	$(BIN)/python -m tests.docs_tables

clean:  ## remove what make made
	rm -rf $(VENV) .venv-* build
