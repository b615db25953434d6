# `make` prints the targets. Two of them are enough for a first look: `make demo` and `make test`.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
PACKAGES := transparency common cli observer differ planner approver executor auditor bench

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-laws test-kafka kafka check format lint types contracts schema isolated bench up down clean

# Compiled modules halve the time that each of the many processes takes to start; git ignores them.
unexport PYTHONDONTWRITEBYTECODE

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: ## make .venv from the lock file (fetches uv by itself; quick when nothing changed)
	@python="$(PYTHON)"; \
	test -n "$$python" || { echo "setup: no Python 3.11 or newer found; install one, or name it: make setup PYTHON=/path"; exit 1; }; \
	"$$python" scripts/bootstrap.py

demo: setup ## the whole loop, twice: 80 real audit findings; 30 critical vendors and CISA's real list
	@$(BIN)/trueup demo findings
	@$(BIN)/trueup demo vendors

test: setup ## all tests on the embedded PostgreSQL and broker
	TRUEUP_EXAMPLES=$${TRUEUP_EXAMPLES:-60} $(BIN)/pytest

# Plugins are named: to look for all there are imports what no unit test uses, in both processes.
UNIT := $(BIN)/pytest tests/unit -q -m "not law" --disable-plugin-autoload -p pytest_asyncio.plugin -p pytest_timeout \
	-p no:logging -p no:cacheprovider -p no:subtests

# What the tests wrote is removed when they are told: a busy disk takes longer for that than they do.
test-unit: setup ## the tests that need no server, but for the laws (seconds)
	@room=$$(mktemp -d); $(UNIT) --half 1 --basetemp $$room/1 >$$room/log 2>&1 & first=$$!; \
	$(UNIT) --half 2 --basetemp $$room/2; second=$$?; \
	wait $$first; first=$$?; cat $$room/log; \
	if test $$((first + second)) = 0; then rm -rf $$room </dev/null >/dev/null 2>&1 & \
	else echo "what the tests wrote is in $$room"; exit 1; fi

test-laws: setup ## what must hold of everything: properties, every byte, every forgery
	TRUEUP_EXAMPLES=$${TRUEUP_EXAMPLES:-60} $(BIN)/pytest tests/unit -n 2 -m law

test-kafka: setup ## integration, loop and kill tests on Apache Kafka (needs Java 17 and Maven)
	$(BIN)/python -m cli.stack fetch-kafka
	TRUEUP_TEST_BROKER=kafka $(BIN)/pytest tests/integration tests/loop

kafka: setup ## run Apache Kafka on loopback in the foreground, without Docker; Ctrl-C ends it
	@$(BIN)/python -m cli.stack kafka

check: setup format lint types contracts ## format, lint, types, import contracts, wire contract

format: setup
	$(BIN)/ruff format --check .

lint: setup
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy $(addprefix -p ,$(PACKAGES))
	$(BIN)/mypy tests

contracts: setup
	$(BIN)/lint-imports --no-logo
	$(BIN)/buf lint proto

schema: setup ## write the JSON Schema of declarations again, from the models and docs/declarations.md
	@$(BIN)/python -m cli.authoring.schema docs/declarations.md

isolated: setup ## each member imports with only its own dependencies; the executor's have no model library
	@$(BIN)/python scripts/isolated.py

bench: setup ## measure, and write bench.json
	$(BIN)/python -m bench

up: setup ## start PostgreSQL, a broker and the six services, and leave them running
	@$(BIN)/trueup up

down: setup ## stop what `make up` or `trueup demo --keep` left running
	@$(BIN)/trueup down

clean: ## stop what runs, and remove data and caches (the environment stays)
	@if test -x $(BIN)/trueup; then for d in .trueup/*/state.json; do \
		if test -e "$$d"; then $(BIN)/trueup down --data "$$(dirname "$$d")"; fi; done; fi
	rm -rf .trueup .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench.json deploy/kafka/target
