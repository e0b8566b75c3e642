# Everything a user or a developer runs. `make` alone lists it.
# All paths are relative, so that the folder's own path may hold spaces.

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
# The benches take N, RATE and SECONDS: make bench-fanout N=10000
BENCH = $(if $(N),--n $(N)) $(if $(RATE),--rate $(RATE)) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)
SETTINGS := --settings local.settings:LocalSettings
# Integration tests that run the product in the tests' own process, so that coverage sees it.
IN_PROCESS := $(addprefix tests/integration/,test_cli.py test_clients.py test_import.py test_listen.py)
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

test: check ## All checks and all tests but the long ones
	$(PYTEST) tests/integration -q -m "not faults" $(addprefix --ignore=,$(IN_PROCESS)) $(ARGS)
	$(PYTEST) tests/e2e -q -m "not faults" $(ARGS)

check: setup ## Lint, types, import contracts, and the tests that coverage is counted over
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(PYTHON) -m carillon.cli docs --check $(SETTINGS)
	$(PYTEST) tests/unit tests/contract $(IN_PROCESS) -q -m "not faults" --cov --cov-report=term:skip-covered $(ARGS)

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
