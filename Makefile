# Everything a person or CI calls. Variables: LANDING (the bot's log tree), DATA (where the warehouse lies, default data/),
# PORT (of the UI), PYTHON (which Python makes .venv). A relative LANDING or DATA is taken from the folder make works in.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
DATA ?=
LANDING ?=
PORT ?= 3000
PYTHON ?=
PYTEST_ARGS ?=

VENV := $(ROOT)/.venv
BIN := $(VENV)/bin
MANIFEST := $(ROOT)/dbt_project/target/manifest.json
DBT_FILES := $(shell find $(ROOT)/dbt_project -type f \( -name '*.sql' -o -name '*.yml' -o -name '*.csv' \) -not -path '*/target/*' 2>/dev/null)

# the two folders as absolute paths; a LANDING that is not below this folder is looked for where the caller stood
DATA_PATH := $(if $(DATA),$(abspath $(DATA)),$(ROOT)/data)
LANDING_PATH := $(if $(LANDING),$(or $(realpath $(LANDING)),$(realpath $(PWD)/$(LANDING)),$(abspath $(LANDING))))
ENV := DATA='$(DATA_PATH)' LANDING='$(LANDING_PATH)' DAGSTER_HOME='$(DATA_PATH)/dagster_home' \
       WAREHOUSE_PATH='$(DATA_PATH)/warehouse.duckdb' DBT_SEND_ANONYMOUS_USAGE_STATS=false \
       DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS=true DAGSTER_EVENT_BATCH_SIZE=1000

.PHONY: help setup dev run ui sql docs test test-all lint bench clean
help:
	@echo "make run [LANDING=folder] [DATA=folder]   load, build and check everything (a demo when no landing is named)"
	@echo "make ui [DATA=folder] [PORT=3000]         Dagster on http://127.0.0.1:3000, schedules on"
	@echo "make sql [DATA=folder]                    a prompt on the published marts, for reading only"
	@echo "make docs [PORT=3000]                     every table and column with its lineage, on http://127.0.0.1:3000"
	@echo "make test | test-all | lint | bench       checks of the project itself"
	@echo "make setup | clean                        .venv and dbt manifest | remove what make made, but no data"

# ---- set-up: once, and again when a lock file changes ----------------------------------------------------------------
$(VENV)/bin/python:
	@for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11; do \
	    [ -n "$$python" ] || continue; \
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then \
	        echo "==> making .venv with $$($$python --version)"; "$$python" -m venv "$(VENV)"; exit 0; fi; done; \
	echo "error: no Python from 3.11 to 3.13 with the venv module was found: install one, or name it with PYTHON=<program>." >&2; exit 1

$(VENV)/.runtime: $(ROOT)/requirements/runtime.lock $(ROOT)/pyproject.toml | $(VENV)/bin/python
	@echo "==> installing the locked dependencies (a minute or two)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $(ROOT)/requirements/runtime.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e $(ROOT)
	@touch $@

$(VENV)/.dev: $(ROOT)/requirements/dev.lock | $(VENV)/.runtime
	@echo "==> installing the locked development tools"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $(ROOT)/requirements/dev.lock
	@touch $@

$(MANIFEST): $(VENV)/.runtime $(DBT_FILES)
	@echo "==> reading the dbt project"
	@cd $(ROOT)/dbt_project && $(ENV) $(BIN)/dbt --quiet parse --profiles-dir . --project-dir .
	@touch $@

setup: $(VENV)/.runtime $(MANIFEST)
dev: $(VENV)/.dev $(MANIFEST)

# ---- the warehouse ---------------------------------------------------------------------------------------------------
run: setup
	@echo "==> running the warehouse"
	@cd $(ROOT) && $(ENV) $(BIN)/python -m dagster_project run

ui: setup
	@cd $(ROOT) && $(ENV) $(BIN)/python -m dagster_project prepare
	@echo "==> Dagster on http://127.0.0.1:$(PORT) (end with Ctrl-C)"
	@cd $(ROOT) && $(ENV) $(BIN)/dagster dev --workspace workspace.yaml --host 127.0.0.1 --port $(PORT)

sql: setup
	@cd $(ROOT) && $(ENV) $(BIN)/bandit-warehouse sql

docs: setup
	@cd $(ROOT) && $(ENV) $(BIN)/bandit-warehouse docs --port $(PORT)

# ---- the project itself ----------------------------------------------------------------------------------------------
# in the order of their names, so that whole runs come first: begun last, one of the workers would do them alone; three of them
# for two cores, because a test that waits for a lock or a turn needs none
test: dev
	@cd $(ROOT) && $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m "not long" $(PYTEST_ARGS)

test-all: dev
	@cd $(ROOT) && $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: dev
	@echo "==> ruff"
	@cd $(ROOT) && $(BIN)/ruff check --no-cache . && $(BIN)/ruff format --no-cache --check .
	@echo "==> dbt parse, warnings are errors"
	@cd $(ROOT)/dbt_project && $(ENV) $(BIN)/dbt --quiet --warn-error parse --no-partial-parse --profiles-dir . --project-dir . --target-path $(ROOT)/dbt_project/target/lint

bench: dev
	@cd $(ROOT) && $(BIN)/python -m benchmarks

clean:
	@rm -rf $(VENV) $(ROOT)/dbt_project/target $(ROOT)/dbt_project/logs $(ROOT)/*.egg-info $(ROOT)/.pytest_cache $(ROOT)/.ruff_cache $(ROOT)/.hypothesis
	@find $(ROOT)/raw_loaders $(ROOT)/dagster_project $(ROOT)/tests -name __pycache__ -type d -prune -exec rm -rf {} +
