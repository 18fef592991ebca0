# Each target does all of its own set-up on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
APP := $(VENV)/.app
DEV := $(VENV)/.dev

.PHONY: demo test torture check bench lock snapshots clean

demo: $(APP)
	$(BIN)/quarterdeck demo

# Two workers have a lab each (tests marked lab), two share everything else.
test: $(DEV)
	PYTHON=$(BIN)/python sh tests/run.sh

# The fault matrix, all of it: hours. ARGS="kills --count 5 --limit 300 --seed 7" for less; it writes docs/reliability.md.
torture: $(DEV)
	$(BIN)/python -m tests.torture $(ARGS)

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV)
	$(BIN)/python -m bench

snapshots: $(DEV)
	$(BIN)/python -m pytest tests/snapshots --snapshot-update

# Needs uv: pip install uv
lock:
	uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements.in -o requirements.lock
	uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements-dev.in -o requirements-dev.lock
	uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements-build.in -o requirements-build.lock

$(APP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Quarterdeck needs Python 3.11 or newer, and %s is %s" % (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements-build.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(DEV): $(APP) requirements-dev.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

clean:
	rm -rf $(VENV) tests/out bench/out
