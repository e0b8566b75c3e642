# Everything a user or a developer runs. `make` alone lists it.
# All paths are relative, so that the folder's own path may hold spaces.

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
# The benches take N, RATE and SECONDS: make bench-fanout N=10000
BENCH = $(if $(N),--connections $(N)) $(if $(RATE),--rate $(RATE)) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)
SETTINGS := --settings local.settings:LocalSettings
BENCHES := bench-post bench-latency bench-fanout bench-connect bench-lanes bench-sustain bench-servers

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-run run run-fresh test check test-unit test-contract test-integration test-e2e test-faults
.PHONY: $(BENCHES) docs clean

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile
	@echo "  make bench-...          post latency fanout connect lanes sustain servers; each ends with one line of JSON"

setup: ## Make the virtual environments, tools included
	@scripts/setup dev

setup-run:
	@scripts/setup run

run: setup-run ## Run the whole system in the foreground; Ctrl-C stops it
	@exec $(PYTHON) -m local $(ARGS)

run-fresh: setup-run ## The same, without the data of earlier runs
	@exec $(PYTHON) -m local --fresh $(ARGS)

test: check test-integration test-e2e ## All checks and all tests but the long ones

check: setup ## Lint, types, import contracts, unit and contract tests with their coverage
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(PYTHON) -m carillon.cli docs --check $(SETTINGS)
	$(PYTEST) tests/unit tests/contract -q -m "not faults" --cov --cov-report=term:skip-covered $(ARGS)

test-unit: setup ## Unit tests
	$(PYTEST) tests/unit -q $(ARGS)

test-contract: setup ## One suite against memory, the real stores and the emulator
	$(PYTEST) tests/contract -q $(ARGS)

test-integration: setup ## Tests on the real stores, the gateway and the consumers
	$(PYTEST) tests/integration -q -m "not faults" $(ARGS)

test-e2e: setup ## Tests of the whole system, with a real browser where there is one
	$(PYTEST) tests/e2e -q -m "not faults" $(ARGS)

test-faults: setup ## The long kills, soaks and fuzzing
	$(PYTEST) tests -q -m faults --timeout 900 $(ARGS)

$(BENCHES): setup
	@$(PYTHON) -m loadtest.$(subst -,_,$@) $(BENCH)

docs: setup ## Write docs/CONFIG.md, ERRORS.md and PROTOCOL.md anew from the code
	$(PYTHON) -m carillon.cli docs --write $(SETTINGS)

clean: ## Remove what can be made again; the data folder stays
	rm -rf .venv .venv-emulator .venv-oldest build test-artifacts .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	rm -rf .hypothesis .schemathesis .coverage *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
