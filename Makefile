# Everything a developer or a build machine does. Each target first sets up what it needs;
# a second run needs no network.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHECKS := $(addprefix lint-,types device-types style layers dependencies)
export PYTHON
# Hundreds of programs start from the same modules, and every test worker rewrites all tests:
# compiled once, whatever the machine's habit is.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup programs demo test test-bluez lint $(CHECKS) format pytest bench soak package \
  lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Arguments are passed on in ARGS: make demo ARGS=--help. PYTHON names the interpreter."

setup: $(READY) programs ## make .venv and fetch MicroPython and mosquitto; the others do this first

$(READY): pyproject.toml constraints.txt .ci/venv
	@.ci/venv
	@touch $@

programs: $(READY)
	@$(BIN)/python -m simulators.tools fetch

demo: setup ## a simulated street from power-on to a city's report
	$(BIN)/lamplighter-sim demo $(ARGS)

test: lint pytest ## lint and all tests

test-bluez: setup ## the gateway through the real BlueZ, in a machine that is fetched first (150 MB)
	$(BIN)/pytest tests/bluez -rs $(ARGS)

# Two at a time, the longest first; each says what it has to say in one piece.
lint: $(READY) ## style, types, layering and dependencies
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target $(CHECKS)

lint-types:
	$(BIN)/pyright

lint-device-types:
	$(BIN)/pyright --project firmware/pyrightconfig.json

lint-style:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

lint-layers:
	$(BIN)/lint-imports

lint-dependencies:
	$(BIN)/deptry .

format: $(READY) ## bring the code into the project's style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

# More workers than there are cores: about half of the time goes in waiting, for streets that run
# and for servers. tests/conftest.py mixes such tests with those that keep a core busy, and begins
# with the whole night of tests/e2e; a worker that has nothing left takes over from the others.
pytest: setup ## the tests: unit, device, integration, end to end
	@$(BIN)/python -m simulators.tools.smpmgr
	$(BIN)/pytest tests -n 4 --dist worksteal $(ARGS)

bench: setup ## measure; prints figures, judges nothing
	$(BIN)/python -m tests.bench $(ARGS)

soak: setup ## the long tests: minutes to hours
	$(BIN)/pytest tests -m soak -s --timeout=0 $(ARGS)

package: $(READY) ## the wheel that a gateway is installed from, in dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

lock: $(READY) ## bring .venv to the newest versions pyproject.toml allows, write constraints.txt
	$(BIN)/python -m pip install --quiet --upgrade --upgrade-strategy eager -e '.[dev]'
	$(BIN)/python -m pip install --quiet --upgrade --target $(VENV)/micropython-stubs \
	  micropython-esp32-stubs
	@{ sed '/^[^#]/d' constraints.txt; { $(BIN)/python -m pip freeze --exclude-editable; \
	     $(BIN)/python -m pip freeze --path $(VENV)/micropython-stubs; \
	   } | LC_ALL=C sort -f; } > $(VENV)/constraints.txt
	@mv $(VENV)/constraints.txt constraints.txt
	@touch $(READY)

clean: ## remove what the targets made here; fetched programs stay in the cache
	rm -rf $(VENV) build dist demo-report bench-report .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
