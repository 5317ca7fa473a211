# Everything a contributor or a newcomer runs. `make help` lists it; no tool but Python (with venv) and make is needed.
#
# The virtual environment is made when there is none and brought up to date when pyproject.toml or constraints.txt
# change. Set PYTHON to choose the interpreter and VENV to choose the place.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
# Hundreds of tests start processes: with their bytecode kept on disk a daemon is up in two seconds and not in six.
export PYTHONDONTWRITEBYTECODE :=
SUPPORTED := 3.11 3.12 3.13
# One worker more than there are cores, for some tests wait for other processes; `make test WORKERS=0` runs in one process
# (for a debugger).
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) + 1)
# A file's tests stay together, so that its servers start once; in the order of the folders, the long ones come early.
SPREAD := --dist loadfile --no-loadscope-reorder
PYTEST_ARGS ?=
DEMO_ARGS ?=
CAMPAIGN_ARGS ?=
FUZZ_ARGS ?=

PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# pip learned dependency groups in 25.1, and venv brings the pip of its Python's release day.
INSTALL := $(PIP) install -qq --constraint constraints.txt

.PHONY: help
help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: $(VENV)/.ready-to-run  ## two homes and three cars on the simulator, time running fast (Ctrl-C ends it)
	@$(BIN)/kwhen demo $(DEMO_ARGS)

.PHONY: test
test: check  ## every check and every test
	@echo "== tests"
	@$(BIN)/python -m compileall -q -j 0 scheduler simulator storage policies tests  # no daemon starts slowly for that
	@$(BIN)/pytest -n $(WORKERS) $(SPREAD) $(PYTEST_ARGS)

.PHONY: check
check: $(VENV)/.ready-to-develop  ## linters, formatting, strict types, import contracts
	@echo "== ruff check"
	@$(BIN)/ruff check .
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "== mypy --strict"
	@$(BIN)/mypy
	@echo "== import contracts"
	@$(BIN)/lint-imports

.PHONY: fmt
fmt: $(VENV)/.ready-to-develop  ## format, and repair what the linter can repair
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: test-all
test-all:  ## `make test` on every supported Python that is present
	@set -e; for version in $(SUPPORTED); do \
	  if python=$$(PYENV_VERSION=$$version python$$version -c 'import ensurepip, sys; print(sys.executable)' 2>/dev/null); then \
	    echo "==== Python $$version ($$python)"; \
	    $(MAKE) --no-print-directory test VENV=build/venv-$$version PYTHON="$$python"; \
	  else \
	    echo "==== Python $$version is not here: skipped"; \
	  fi; \
	done

.PHONY: campaign
campaign: $(VENV)/.ready-to-develop  ## lives by the hundred thousand days, and 1,000 kills (hours; goes on where it was interrupted)
	@$(BIN)/python -m tests.campaign run --fidelity full --vehicle-days 20000 $(CAMPAIGN_ARGS)
	@$(BIN)/python -m tests.campaign run --fidelity memory --vehicle-days 200000 $(CAMPAIGN_ARGS)
	@$(BIN)/python -m tests.campaign.kills --kills 1000 --seed 1 --state build/kills-1
	@$(BIN)/python -m tests.campaign report

.PHONY: bench
bench: $(VENV)/.ready-to-develop  ## every measurement in bench/
	@status=0; for script in bench/*.py; do echo "== $$script"; $(BIN)/python "$$script" || status=1; done; exit $$status

.PHONY: fuzz
fuzz: $(VENV)/.ready-to-develop  ## a million hostile inputs for every parser, and a running daemon (about 20 minutes)
	@$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

.PHONY: constraints
constraints:  ## write constraints.txt anew from the newest versions that pyproject.toml allows
	@rm -rf build/venv-constraints
	@$(MAKE) --no-print-directory build/venv-constraints/bin/python VENV=build/venv-constraints
	@build/venv-constraints/bin/python -m pip install --quiet --upgrade pip
	@build/venv-constraints/bin/python -m pip install --quiet . --group dev
	@{ echo "# Exact versions of everything that kwhen and its checks install. Written by \`make constraints\`."; \
	  build/venv-constraints/bin/python -m pip freeze --all --exclude kwhen --exclude setuptools --exclude wheel \
	    | tr '[:upper:]' '[:lower:]' | sort; } > constraints.txt
	@rm -rf build/venv-constraints
	@git --no-pager diff --stat -- constraints.txt 2>/dev/null || true

.PHONY: clean
clean:  ## remove the environments and every cache
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# --- the virtual environment ------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	  for name in python3 $(addprefix python,$(SUPPORTED)); do \
	    python=$$($$name -c 'import ensurepip, sys; sys.version_info < (3, 11) and sys.exit(1); print(sys.executable)' \
	      2>/dev/null) && break; \
	  done; \
	fi; \
	if [ -z "$$python" ]; then \
	  echo "kwhen needs Python 3.11 or newer with its venv module (Debian: apt install python3-venv)." >&2; \
	  echo "None was found on PATH; name one with: make PYTHON=/path/to/python3.12 ..." >&2; \
	  exit 1; \
	fi; \
	echo "== making $(VENV) with $$python"; \
	"$$python" -m venv --clear $(VENV)

$(VENV)/.pip: constraints.txt | $(VENV)/bin/python
	@$(INSTALL) pip
	@touch $@

$(VENV)/.ready-to-run: pyproject.toml constraints.txt $(VENV)/.pip
	@echo "== installing kwhen into $(VENV)"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.ready-to-develop: pyproject.toml constraints.txt $(VENV)/.pip
	@echo "== installing kwhen and its development tools into $(VENV)"
	@$(INSTALL) --editable . --group dev
	@touch $(VENV)/.ready-to-run $@
