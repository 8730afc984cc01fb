# make help lists what there is. Everything runs from .venv, which is made when it is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PINNED := constraints.txt pyproject.toml

# Two more than there are cores: many tests wait for processes of their own.
WORKERS := $(shell expr $$(nproc) + 2)

.DEFAULT_GOAL := help
.PHONY: help setup dev run test test-rest test-all coverage lint docs package vtn bench soak reference pictures interop audit

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(VENV)/.run  ## create .venv with the pinned dependencies

dev: $(VENV)/.dev  ## the same, with what tests and lint need

run: $(VENV)/.run  ## enrol the fleet, meter and report, until Ctrl-C
	@exec $(BIN)/python -m app run

vtn: $(VENV)/.run  ## run the embedded VTN alone
	@exec $(BIN)/python -m app vtn

# In CI, COVERAGE=1: what each lane covers is added up, and judged at the end.
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal \
    $(if $(COVERAGE),--cov --cov-append --cov-report= --cov-fail-under=0)

test: $(VENV)/.dev  ## the tests of every change, in three minutes
	$(PYTEST) -p no:schemathesis -m "not rest" tests/unit tests/guide tests/integration tests/e2e

test-rest: $(VENV)/.dev  ## all others: both dialects, official files, clients of others, page, kills
	$(PYTEST) -o faulthandler_timeout=300 -m "rest and not alone"
	$(PYTEST) -n 0 -o faulthandler_timeout=1800 -m alone

test-all: test test-rest  ## both

coverage: $(VENV)/.dev  ## what COVERAGE=1 make test-all covered; fails below 90 %
	$(BIN)/python -m coverage report

lint: $(VENV)/.dev  ## ruff, mypy --strict, import-linter, bandit, and the size of files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r app containers.py
	@long=$$(git ls-files --cached --others --exclude-standard '*.py' | xargs wc -l | \
	    awk '$$2 != "total" && $$1 > ($$2 == "containers.py" ? 220 : 400)'); \
	  test -z "$$long" || { echo "files above 400 lines (containers.py: 220):"; echo "$$long"; exit 1; }

bench: $(VENV)/.dev  ## what everything costs, in one table (a quarter of an hour)
	$(BIN)/python -m bench $(if $(BEFORE),--before $(BEFORE))

SOAK_PARTS := mutations fuzz storms kills intake mqtt orders shards cluster outage day troubled

soak: $(addprefix soak-,$(or $(PART),$(SOAK_PARTS)))  ## the long proofs, each below an hour: all, or PART="storms kills" of them

.PHONY: $(addprefix soak-,$(SOAK_PARTS))
$(addprefix soak-,$(SOAK_PARTS)): $(VENV)/.dev

soak-mutations:
	$(BIN)/python -m soak.mutations

soak-fuzz:
	FUZZED_EVENTS=10000 $(BIN)/python -m pytest tests/integration/test_fuzzed_events.py -o faulthandler_timeout=600

soak-storms:
	STORM_SEEDS=200 $(BIN)/python -m pytest -n $(shell nproc) tests/integration/test_storm.py

soak-kills:
	KILLS=100 $(BIN)/python -m pytest -o faulthandler_timeout=3600 tests/e2e/test_kill.py

soak-intake:
	INTAKE_KILLS=200 $(BIN)/python -m pytest -n 2 -o faulthandler_timeout=3600 tests/e2e/test_intake_kills.py

soak-mqtt:
	MQTT_KILLS=200 MQTT_QUEUED=1000000 $(BIN)/python -m pytest -n 2 -o faulthandler_timeout=3600 tests/e2e/test_mqtt_kills.py tests/integration/mqtt/test_mqtt_queue.py

soak-orders:
	ORDER_STORM_SEEDS=200 $(BIN)/python -m pytest -n $(shell expr 4 \* $$(nproc)) -o faulthandler_timeout=3600 tests/e2e/test_order_storms.py

soak-shards:
	SHARD_ROUNDS=50 $(BIN)/python -m pytest -n 2 -rP -o faulthandler_timeout=3600 tests/e2e/test_shards.py

soak-cluster:
	CLUSTER_ROUNDS=20 $(BIN)/python -m pytest -rP -o faulthandler_timeout=3600 -m alone tests/e2e/test_cluster.py

soak-outage:
	$(BIN)/python -m soak.outage

soak-day:
	$(BIN)/python -m soak.day

soak-troubled:
	$(BIN)/python -m soak.troubled

docs: $(VENV)/.docs  ## the documentation as a site, in docs/_build; a broken link fails
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build

package: $(VENV)/.docs  ## build the wheel, and run it from an environment of its own
	$(BIN)/python -m scripts.package

reference: $(VENV)/.run  ## write anew what is generated from the code
	$(BIN)/python -m scripts.reference

pictures: $(VENV)/.dev  ## make the README's pictures of the page anew (needs Chromium)
	$(BIN)/python -m pytest tests/e2e/test_page.py -k picture
	cp screenshots/fleet-picture.png docs/page-fleet.png
	cp screenshots/events-picture.png docs/page-events.png

interop: $(VENV)/.dev  ## run at two VTNs of others, built first (Rust, PostgreSQL, Mosquitto); PART="..."
	@$(BIN)/python -m interop $(PART)

audit: $(VENV)/.dev  ## known vulnerabilities of the pinned dependencies (asks PyPI)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[audit]'
	$(BIN)/pip-audit --disable-pip --no-deps -r constraints.txt

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is not Python 3.11 or newer; choose another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python $(PINNED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
