# Every target installs what it needs; nothing but Python 3.11+ and make is expected.
SHELL := /bin/bash
export PYTHONDONTWRITEBYTECODE :=
export DO_NOT_TRACK := 1
export UV_LINK_MODE := copy
# Certificates of the machine, so that a company's own proxy is trusted as by every other program.
export UV_SYSTEM_CERTS := 1

PYTHON ?= python3
# Installed only where there is no uv yet.
UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo .assay/uv/bin/uv)
RUN := $(UV) run --no-sync

.DEFAULT_GOAL := help
.PHONY: help install check types lint test test-fast verify demo test-live benchmark clean
# Processes of `make test`: one more than two cores, since tests wait for emulators, browsers and other processes.
WORKERS ?= 3
# Packages whose tests need neither an emulator nor a browser.
FAST := $(addprefix tests/,inference statistics checks tasks)

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(UV) ## Install everything into .venv, as uv.lock says
	@$(UV) sync --locked --compile-bytecode --quiet

.assay/uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed, $$($(PYTHON) --version) found; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .assay/uv
	@.assay/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

check: install ## Lint, types, import rules, SQL style
	@$(MAKE) --no-print-directory --jobs 2 types lint

types:
	@$(RUN) mypy

lint:
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) lint-imports --no-cache
	@$(RUN) sqlfluff lint --processes 2 dbt_project/models dbt_project/tests/*.sql
	@$(RUN) assay check

test: check ## Run every check and every test
	@$(RUN) pytest -n $(WORKERS) $(PYTEST_OPTIONS)

test-fast: install ## Run the unit tests of inference, statistics, checks and tasks
	@$(RUN) pytest -n 2 -m "not verify and not processes and not redis" $(FAST)

verify: install ## Run the tests that are too long for `make test`
	@$(RUN) pytest -n 2 -m verify

demo: install ## Run the shipped task end to end on this machine
	@$(RUN) assay demo

test-live: install ## Run against a real project (ASSAY_LIVE_PROJECT, OPENAI_API_KEY, ASSAY_LIVE_CAP_USD)
	@$(RUN) pytest -m live tests/live

benchmark: $(UV) ## Measure the engine, all of it or PARTS="cpu limits"; prints tables
	@$(UV) sync --locked --group benchmarks --compile-bytecode --quiet
	@$(RUN) python -m tests.benchmarks $(PARTS)

clean: ## Remove the local stack's data and the environment
	@-$(RUN) assay down
	@rm -rf .assay .venv
