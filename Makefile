# Needs make and Python 3.11 to 3.13 with venv; everything else is installed into .venv from the lock files.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# The first interpreter of a supported version (macOS' own python3 may be older). Override: make PYTHON=...
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
RUN := $(BIN)/python
MANAGE := $(RUN) manage.py
# Checks look at the code, never at the database somebody works with.
CHECK := env -u DATABASE_URL -u CREDITDESK_ENV SQLITE_FILE=var/checks.sqlite3
# More workers than the two cores we count on: several tests wait for processes or for the database's server.
PYTEST := $(RUN) -m pytest --workers=4 $(PYTEST_ARGS)
# What Python compiles once it keeps: many tests start processes of the project. Some containers say otherwise.
unexport PYTHONDONTWRITEBYTECODE
LANGUAGES := it es fr

PORT ?= 8000
SERVE ?= 1
DEMO_ARGS ?=

.PHONY: help demo test test-sqlite test-postgres bench fuzz lint format lock messages clean

help:
	@echo "make demo      the desk with a story to look at, on http://127.0.0.1:$(PORT)/ (SERVE=0: summary only)"
	@echo "make test      every check and the whole test suite, on SQLite and on PostgreSQL (test-sqlite, test-postgres)"
	@echo "make bench     the measurements of benchmarks/"
	@echo "make fuzz      what nobody thought of, sent to the API and drawn for the properties (some minutes)"
	@echo "make lint      ruff, Django's checks, migrations, types"
	@echo "make format    let ruff format the code"
	@echo "make lock      both lock files anew from pyproject.toml (UPGRADE=--upgrade: newest versions)"
	@echo "make messages  collect and compile the translations (needs gettext)"
	@echo "make clean     remove .venv, caches and var/"

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then echo "creditdesk needs Python 3.11, 3.12 or 3.13; none was found." >&2; exit 1; fi
	@echo "==> making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian: apt install python3-venv" >&2; rm -rf $(VENV); exit 1; }

# A stamp per lock file: nothing is installed again until the lock changes.
$(VENV)/.runtime: requirements.lock $(BIN)/python
	@echo "==> installing requirements.lock"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --disable-pip-version-check --no-build-isolation --no-deps -q -e .
	@touch $@

# --no-compile: Python compiles what it imports, a small part of all this.
$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "==> installing requirements-dev.lock"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-compile -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.runtime
	@$(MANAGE) demo --port $(PORT) $(if $(filter 0 no false,$(SERVE)),--no-serve) $(DEMO_ARGS)

# Both databases in one run, the other checks beside it; what those say follows when the tests are done.
test: $(VENV)/.dev
	@mkdir -p var
	@echo "==> tests on SQLite and PostgreSQL; style, checks and types meanwhile (their report comes last)"
	@$(MAKE) --no-print-directory lint >var/lint.txt 2>&1 & lint=$$!; \
	$(PYTEST) --database=both; tests=$$?; \
	wait $$lint; checks=$$?; cat var/lint.txt; \
	if [ $$tests -ne 0 ]; then echo "==> tests FAILED" >&2; fi; \
	if [ $$checks -ne 0 ]; then echo "==> checks FAILED" >&2; fi; \
	[ $$tests -eq 0 ] && [ $$checks -eq 0 ]

test-sqlite: $(VENV)/.dev
	@echo "==> tests on SQLite"
	$(PYTEST) --database=sqlite

test-postgres: $(VENV)/.dev
	@echo "==> tests on PostgreSQL"
	$(PYTEST) --database=postgres --only-database

bench: $(VENV)/.dev
	@$(RUN) -m benchmarks $(BENCH_ARGS)

fuzz: $(VENV)/.dev
	@$(RUN) -m tests.api.fuzz $(FUZZ_ARGS)
	EXAMPLES_TIMES=20 $(RUN) -m pytest -q tests/properties

lint: $(VENV)/.dev
	@echo "==> style, checks, migrations, types"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(CHECK) $(MANAGE) check
	$(CHECK) $(MANAGE) makemigrations --check --dry-run
	$(CHECK) $(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

UV_COMPILE = UV_PYTHON_DOWNLOADS=never uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet $(UPGRADE)
lock: $(BIN)/python
	@command -v uv >/dev/null || $(BIN)/python -m pip install --disable-pip-version-check -q uv
	@PATH="$$PATH:$(CURDIR)/$(BIN)"; export PATH; \
	$(UV_COMPILE) --extra build pyproject.toml -o requirements.lock && \
	$(UV_COMPILE) --extra dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock
	@echo "requirements.lock and requirements-dev.lock are up to date"

messages: $(VENV)/.dev
	@command -v msgfmt >/dev/null || { echo "makemessages needs gettext (Debian: apt install gettext)" >&2; exit 1; }
	$(MANAGE) makemessages $(addprefix -l ,$(LANGUAGES)) --no-obsolete --no-wrap --add-location file \
		--ignore .venv --ignore var --ignore tests --ignore benchmarks
	$(MANAGE) compilemessages --ignore .venv

clean:
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
