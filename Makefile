# `make demo` sets everything up and runs it; `make test` sets everything up
# and passes the tests. Everything they make stays in this checkout.

PYTHON_BIN := .venv/bin
PYTEST := $(PYTHON_BIN)/python -m pytest
# Options of the demo: make demo DEMO="--port 8080 --state ~/daaas"
DEMO ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-openstack test-slow test-browser lint format docs clean bench-spawn bench-nodepool bench-sizing bench-claim bench-reconcile

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: ## set up and run the whole system on 127.0.0.1 (Ctrl-C stops it)
	@tools/setup demo
	@exec $(PYTHON_BIN)/python -m examples.demo $(DEMO)

test: ## set up and run all tests
	@tools/setup test
	$(PYTEST) tests

# Where the OpenStack lab is: a folder with its `install`, `up` and `down`.
OSLAB ?= ../shared/openstack
test-openstack: ## as root: the tests that need OpenStack, on a real one on loopback
	@tools/setup test
	OSLAB=$(OSLAB) $(PYTHON_BIN)/python -m tests.support.openstack_lab install
	OSLAB=$(OSLAB) $(PYTEST) tests -m openstack

test-slow: ## kill -9 at every effect of everything; more random histories, more fuzzing
	@tools/setup test
	TRUST_EXAMPLES=500 FUZZ_EXAMPLES=200 $(PYTEST) --slow \
	  tests/vmm_core/test_kill.py tests/vmm_core/lifetimes/test_kill.py \
	  tests/vmm_core/test_trust.py tests/vmm_core/api/test_fuzz.py

test-browser: ## only the tests that drive a browser
	@tools/setup test
	$(PYTEST) tests -m browser

lint: ## ruff, mypy, eslint
	@tools/setup dev
	$(PYTHON_BIN)/ruff check
	$(PYTHON_BIN)/ruff format --check
	$(PYTHON_BIN)/mypy
	cd jupyter_daaas_data/browser && ../../.make/node/bin/jlpm lint:check

format: ## let ruff and prettier format everything
	@tools/setup dev
	$(PYTHON_BIN)/ruff check --fix
	$(PYTHON_BIN)/ruff format
	cd jupyter_daaas_data/browser && ../../.make/node/bin/jlpm lint

bench-spawn: ## click to JupyterLab, ten times, into benchmarks/results/spawn.json
	@tools/setup test
	$(PYTHON_BIN)/python -m benchmarks.spawn

bench-nodepool: ## a hand-over beside Nodepool's, into benchmarks/results/nodepool.json
	@tools/setup test
	$(PYTHON_BIN)/python -m benchmarks.nodepool

# Options: make bench-claim CLAIM="--replicas 1 --million 50000"
CLAIM ?=
bench-claim: ## claims by up to 1000 people at once, and doubles in a million
	@tools/setup test
	$(PYTHON_BIN)/python -m benchmarks.claim $(CLAIM)

# Which facility: a CSV of its environments; without it a small one is made up.
FACILITY ?= ../shared/data/environments.csv
bench-sizing: ## the forecast against fixed floors, into benchmarks/results/sizing.json
	@tools/setup test
	$(PYTHON_BIN)/python -m benchmarks.sizing --facility $(FACILITY)

bench-reconcile: ## a step over 10 to 100,000 machines, into benchmarks/results/reconcile.json
	@tools/setup test
	$(PYTHON_BIN)/python -m benchmarks.reconcile

docs: ## the reference pages, from code and data
	@tools/setup demo
	$(PYTHON_BIN)/python -m docs.build

clean: ## remove everything that setup made
	rm -rf .venv .make jupyter_daaas_data/labextension jupyter_daaas_data/browser/{lib,node_modules}
