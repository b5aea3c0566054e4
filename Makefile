# Needs Python 3.11 or later, make and git; everything else is installed into .venv from hashed lock files.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
STAMP := $(VENV)/.installed
export UV_SYSTEM_CERTS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
FUZZ_S ?= 3600
FUZZ_KERNEL_S ?= 120
FUZZ_FROM ?= 100000

.PHONY: help setup demo test fuzz fuzz-kernel mutate lint bench docs reports lock samples clean dist

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## create .venv with the locked dependencies and calib itself

$(STAMP): requirements/dev.lock pyproject.toml hatch_build.py $(wildcard calib/feeds/reading/native/source/*)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements/dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# What reads feeds is tested once more without the kernel.
WITHOUT_KERNEL := tests/feeds/reading tests/engines tests/dataset tests/property/test_reading_and_judge.py \
  tests/property/test_dataset_oracle.py tests/cli/test_aggregate.py

test: setup ## run all tests, and those of the readers once more without the kernel
	$(BIN)/python -m pytest -q -n auto
	CALIB_NATIVE=0 $(BIN)/python -m pytest -q -n auto $(WITHOUT_KERNEL)

mutate: setup ## apply small changes to the code and check that a test fails: ROOM=feeds/writers NUMBER=40 SEED=1
	$(BIN)/python -m tools.mutate $(ROOM) --number $(or $(NUMBER),10) --seed $(or $(SEED),1)

fuzz: setup ## compare the live book with its model for FUZZ_S seconds (3600), from seed FUZZ_FROM
	FUZZ_S=$(FUZZ_S) FUZZ_FROM=$(FUZZ_FROM) $(BIN)/python -m pytest -q tests/property/test_live_book_fuzz.py -k as_long

fuzz-kernel: setup ## fuzz the C kernel under ASan and UBSan for FUZZ_KERNEL_S seconds (120); needs clang
	$(BIN)/python -m tools.fuzz_kernel --seconds $(FUZZ_KERNEL_S)

lint: setup ## ruff, mypy --strict, the import contract, the caching policy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/calib policy check calib/

bench: ## run every benchmark in a separate environment
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet uv==$(UV_VERSION)
	@.venv-bench/bin/uv pip sync --quiet --compile-bytecode --require-hashes --python .venv-bench/bin/python requirements/bench.lock
	@.venv-bench/bin/uv pip install --quiet --python .venv-bench/bin/python --no-deps --no-build-isolation --editable .
	@for file in benchmarks/bench_*.py; do echo "== $$file"; .venv-bench/bin/python -m benchmarks.$$(basename $$file .py); done

demo: setup ## build a dataset of sample_feeds/ and its summary
	$(BIN)/calib demo

samples: setup ## regenerate sample_feeds/: the same lines each time
	$(BIN)/calib simulate --out sample_feeds --symbols 12 --from 2025-01-01T21:00 --to 2025-01-02T03:00 \
	  --seed 1655 --hostile --compress 2025-01-02 --quotes-recorded --record BTCUSDT,ETHUSDT

dist: setup ## build the wheels into dist/: one with the kernel for this platform, and a pure one
	CALIB_NATIVE=1 $(BIN)/hatchling build -t wheel -d dist
	CALIB_NATIVE=0 $(BIN)/hatchling build -t wheel -d dist

docs: setup ## update the generated parts of docs/
	$(BIN)/python -m tools.generate_types
	$(BIN)/python -m tools.generate_docs

reports: setup ## regenerate reports/ from sample_feeds/
	$(BIN)/python -m tools.generate_reports

lock: setup ## resolve the lock files
	for group in run dev bench; do \
	  case $$group in run) groups="";; dev) groups="--group dev";; bench) groups="--group dev --group bench";; esac; \
	  $(BIN)/uv pip compile pyproject.toml $$groups --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --python-version 3.11 --quiet --output-file requirements/$$group.lock; \
	done

clean: ## remove virtual environments and caches, but not artifacts/, which may contain live feeds
	rm -rf $(VENV) .venv-bench .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
