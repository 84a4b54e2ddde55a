# Rowlock's everyday commands. `make` alone explains them.
#
# Every target makes its own environment first (scripts/bootstrap.py), which takes a moment when nothing changed.

# The first Python on the path that is new enough; `make run PYTHON=/path/to/python3` names another.
PYTHON ?= $(or $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; \
	done),python3)
BIN := .venv/bin
ARGS ?=
PYTEST_ARGS ?=
# As many test processes as CI has cores: the time limits of the concurrency tests are made for this.
JOBS ?= 2

MIGRATIONS = $(wildcard src/rowlock/sql/migrations/*.sql)
# Where setup_test_tools.py found PostgreSQL 15 and the other tools; the tests read it from the environment.
WITH_TEST_TOOLS = set -a; if [ -f .cache/tools/env ]; then . ./.cache/tools/env; fi; set +a;
PYTEST = $(BIN)/pytest -n $(JOBS) --dist loadgroup

# With this variable of some containers each process would compile every library anew: seconds for each of the tests'.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run setup test-tools test lint types imports sql-lint test-unit test-db soak bench format schema clean distclean

help: ## explain the targets
	@echo 'make run                   is all it takes to see Rowlock at work: it needs Python 3.11 or newer.'
	@echo
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'make run ARGS="--port 9000"            passes options to `rowlock up`'
	@echo 'make test-db PYTEST_ARGS="-k expiry"   passes options to pytest'
	@echo 'make soak ARGS=--short                 is the short one of CI'

run: ## start Rowlock with a database of its own and a show on sale; ctrl-C stops it
	@"$(PYTHON)" scripts/bootstrap.py
	@exec $(BIN)/rowlock up $(ARGS)

setup: ## make or update .venv with everything for development
	@"$(PYTHON)" scripts/bootstrap.py --dev

test-tools: setup ## find or fetch PostgreSQL 15, plpgsql_check, PgBouncer, nginx, Caddy, localstripe and generators of clients for the tests
	@$(BIN)/python scripts/setup_test_tools.py

test: test-tools lint types imports sql-lint ## check style, types, imports and SQL, and run the tests, in about a quarter of an hour
	$(WITH_TEST_TOOLS) exec $(PYTEST) --durations=25 --durations-min=4 $(PYTEST_ARGS)

lint: setup ## check style and formatting of Python, and that uv.lock fits pyproject.toml
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	env -u UV_DEFAULT_INDEX -u UV_INDEX_URL -u UV_INDEX $(BIN)/uv lock --check --offline --quiet

types: setup ## check types
	$(BIN)/mypy

imports: setup ## check who may import whom
	$(BIN)/lint-imports --no-logo

sql-lint: setup ## check migrations for statements that lock buyers out or lose data
	$(if $(MIGRATIONS),$(BIN)/squawk $(MIGRATIONS),@echo 'There are no migrations to check.')

test-unit: setup ## run the tests that need no database
	exec $(PYTEST) -m unit $(PYTEST_ARGS)

test-db: test-tools ## run the tests that need a database
	$(WITH_TEST_TOOLS) exec $(PYTEST) -m database $(PYTEST_ARGS)

soak: test-tools ## run the exhaustive and random tests in full, in about half an hour; ARGS=--short takes five minutes
	$(WITH_TEST_TOOLS) exec $(PYTEST) --verbose --soak $(ARGS) $(PYTEST_ARGS)

bench: setup ## measure this machine against pgbench, in at most 8 minutes; ARGS=--quick takes one
	@exec $(BIN)/python -m bench $(ARGS)

format: setup ## format Python and mend what the linter can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

schema: setup ## write src/rowlock/sql/schema.sql anew from the migrations
	$(BIN)/python scripts/write_schema.py

clean: ## remove what tools leave behind, keep .venv and your data
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis dist
	find src tests scripts bench -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove .venv and fetched tools as well, keep your data (.rowlock)
	rm -rf .venv .cache
