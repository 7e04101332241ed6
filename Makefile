# Everything here installs what it needs first. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# ansible-lint and the tests start .venv's programs, the lab starts the system's.
export PATH := $(CURDIR)/$(BIN):$(PATH):/usr/sbin:/sbin
export ANSIBLE_HOME := $(CURDIR)/.ansible

# The long ones first: two at a time, all their complaints at once, each one's output in one piece.
CHECKS := check-tests check-ansible check-types check-imports check-yaml check-style check-format
TOGETHER = $(MAKE) --no-print-directory --keep-going --output-sync=target \
	$(if $(filter -j%,$(MAKEFLAGS)),,-j2) VENV_IS_READY=1

# Tests on real hosts mostly wait: two hospitals at once, each file's tests on one of them.
SIDE_BY_SIDE := -n 2 --dist loadfile
# They emulate a processor, which leaves none for others and wants one for itself.
POWER := tests/lab/test_power_loss.py tests/lab/test_power_spool.py

.PHONY: help demo test test-full power molecule bench check $(CHECKS) venv root lock wheel clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: root venv ## Two hospitals on this machine, and the main job on them (root, Debian 12)
	@$(BIN)/python -m orchestrator.lab.story

test: root venv ## Every test: check, then crash tests and tests on real hosts (root, Debian 12)
	@$(TOGETHER) $(CHECKS)
	@echo "== crash and lab tests"
	@$(PYTEST) $(SIDE_BY_SIDE) -v --durations=20 -m "not full" tests/crash tests/lab $(POWER:%=--ignore=%)
	@# The way back of a RIS takes minutes; that of its set is among the tests on real hosts.
	@$(MAKE) --no-print-directory VENV_IS_READY=1 molecule BUT=gnuhealth_restore
	@$(MAKE) --no-print-directory VENV_IS_READY=1 power WHICH="not full"

test-full: root venv ## Every test, and those that take minutes each (root, Debian 12)
	@$(TOGETHER) $(CHECKS)
	@echo "== crash and lab tests, in full"
	@$(PYTEST) $(SIDE_BY_SIDE) -v --durations=20 tests/crash tests/lab $(POWER:%=--ignore=%)
	@$(MAKE) --no-print-directory VENV_IS_READY=1 molecule
	@$(MAKE) --no-print-directory VENV_IS_READY=1 power

power: root venv ## The power cut at moments of a change and of a spool, on an emulated machine (WHICH= a marker)
	@echo "== power cuts"
	@$(PYTEST) -v -m "$(WHICH)" $(POWER)

molecule: root venv ## Each role on a real host: applied twice, verified; a change put back exactly (BUT= one)
	@echo "== molecule"
	@$(BIN)/python -m tests.molecule.run test --all $(BUT:%=--exclude %)

check: venv ## What needs no root: lint, types, imports, unit, golden and command-line tests
	@$(TOGETHER) $(CHECKS)
	@echo "make check: everything passed"

bench: root venv ## The figures of docs/benchmarks.md, taken again, results in .bench (root, 40 minutes)
	@$(BIN)/python -m tests.bench.plan
	@$(BIN)/python -m tests.bench.census
	@$(BIN)/python -m tests.bench.outage
	@$(BIN)/python -m tests.bench.controller
	@$(BIN)/python -m tests.bench.spool

check-tests: venv
	@echo "== unit, golden and command-line tests"
	@$(PYTEST) -q -n 3 tests/unit tests/golden tests/cli

check-ansible: venv
	@echo "== ansible-lint"
	@$(BIN)/ansible-lint --offline --profile production -q roles orchestrator/playbooks molecule

check-types: venv
	@echo "== mypy --strict"
	@$(BIN)/mypy --strict

check-imports: venv
	@echo "== import contracts"
	@$(BIN)/lint-imports --no-logo

check-yaml: venv
	@echo "== yamllint"
	@$(BIN)/yamllint --strict roles orchestrator molecule .config inventories tests .yamllint .ansible-lint

check-style: venv
	@echo "== ruff check"
	@$(BIN)/ruff check -q .

check-format: venv
	@echo "== ruff format"
	@$(BIN)/ruff format --check -q .

venv: ## Only install, into .venv
	@[ -n "$(VENV_IS_READY)" ] || ./bootstrap

root:
	@[ "$$(id -u)" = 0 ] || { \
		echo "this boots real hosts and needs root; without root there is: make check" >&2; exit 1; }

lock: ## Take the newest packages that pyproject.toml allows (needs uv in PATH)
	@export UV_CUSTOM_COMPILE_COMMAND="make lock"; \
	compile="uv pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-strip-markers"; \
	$$compile pyproject.toml --group dev -o requirements.lock; \
	echo uv | $$compile - -o requirements-uv.lock

wheel: venv ## The wheel, in dist/
	@$(BIN)/python -m hatchling build -t wheel

clean: ## Remove what was built here; downloads in the cache and running labs stay
	@rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .ansible .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
