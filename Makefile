# Everything a user or a developer runs. `make` alone lists it.
# All paths are relative, so that the folder's own path may hold spaces.

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
# The benches take N, RATE and SECONDS: make bench-fanout N=10000
BENCH = $(if $(N),--n $(N)) $(if $(RATE),--rate $(RATE)) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)
SETTINGS := --settings local.settings:LocalSettings
# Integration tests that run the product in the tests' own process, so that coverage sees it.
IN_PROCESS := $(addprefix tests/integration/,test_api.py test_capacity.py test_cli.py test_clients.py test_import.py test_listen.py)
# By file: what a file's tests share, such as synthesised templates, is made once.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile
BENCHES := bench-post bench-latency bench-fanout bench-connect bench-lanes bench-sustain bench-servers bench-cold

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-run run run-fresh test check test-unit test-contract test-integration test-e2e test-faults
.PHONY: $(BENCHES) docs clean synth test-stacks diff deploy deploy-check deploy-local destroy cost

# At every call the CDK would warn that Node 20 is past its support; it works, and newer ones are recommended.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
STAGE ?= dev
# make deploy STAGE=prod ARGS='-c regions=eu-west-1 -c alarm_email=ops@example.org'
CDK = npx --no-install cdk

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile
	@echo "  make bench-...          post latency fanout connect lanes sustain servers cold; each ends with one line of JSON"

setup: ## Make the virtual environments, tools included
	@scripts/setup dev

setup-run:
	@scripts/setup run

run: setup-run ## Run the whole system in the foreground; Ctrl-C stops it
	@exec $(PYTHON) -m local $(ARGS)

run-fresh: setup-run ## The same, without the data of earlier runs
	@exec $(PYTHON) -m local --fresh $(ARGS)

test: check synth node_modules ## All checks and all tests but the long ones
	$(PYTEST) tests/integration -q -m "not faults" $(addprefix --ignore=,$(IN_PROCESS)) $(ARGS)
	@# Side by side: one waits for a browser, the other for the CDK.
	@mkdir -p build; $(PYTHON) -m local.deploy >build/deploy-local.log 2>&1 & deploy=$$!; trap "kill $$deploy 2>/dev/null" EXIT INT TERM; \
	$(PYTEST) tests/e2e -q -m "not faults" $(ARGS); status=$$?; \
	wait $$deploy || status=1; cat build/deploy-local.log; exit $$status

check: setup ## Lint, types, import contracts, and the tests that coverage is counted over
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(PYTHON) -m carillon.cli docs --check $(SETTINGS)
	$(PYTEST) tests/unit tests/contract tests/stacks $(IN_PROCESS) -q -m "not faults" $(SIDE_BY_SIDE) --cov --cov-report=term:skip-covered $(ARGS)

test-unit: setup ## Unit tests
	$(PYTEST) tests/unit -q $(ARGS)

test-stacks: setup ## What the templates promise
	$(PYTEST) tests/stacks -q $(ARGS)

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

node_modules: package-lock.json
	npm ci --no-audit --no-fund
	@touch node_modules

synth: setup ## Every stage's templates with cdk-nag, the CDK's validation and cfn-lint, into build/cdk
	$(PYTHON) -m stacks.synth

diff: setup node_modules ## What a deploy would change: make diff STAGE=prod
	@$(CDK) diff -c stage=$(STAGE) $(ARGS)

deploy-check: setup ## Whether weddings forbid a deploy now
	@$(PYTHON) -m stacks.deploy_check --stage $(STAGE) $(ARGS) $(if $(filter-out 0 no false,$(FORCE)),--override)

deploy: deploy-check node_modules ## Deploy a stage into the AWS account at hand: make deploy STAGE=dev [FORCE=1]
	@$(CDK) deploy --all --force -c stage=$(STAGE) $(ARGS)

destroy: setup node_modules ## Remove a stage again; what it retains is told in docs/DEPLOY.md
	@$(CDK) destroy --all -c stage=$(STAGE) $(ARGS)

deploy-local: setup node_modules ## The real CDK and templates against an emulated AWS, with a broadcast through it
	@$(PYTHON) -m local.deploy $(ARGS)

cost: setup ## What a stage costs in a month: make cost STAGE=prod
	@$(PYTHON) -m stacks.cost --stage $(STAGE) $(ARGS)

docs: setup ## Write what is generated anew: CONFIG, ERRORS, PROTOCOL, METRICS, the wiring, the architecture's picture
	$(PYTHON) -m carillon.cli docs --write $(SETTINGS)
	$(PYTHON) -m stacks.extract --write local/wiring.json
	$(PYTHON) -m stacks.picture --write docs/images/architecture.svg

clean: ## Remove what can be made again; the data folder stays
	rm -rf .venv .venv-emulator .venv-oldest build cdk.out node_modules test-artifacts .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	rm -rf .hypothesis .schemathesis .coverage *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
