.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUNTIME := $(VENV)/.runtime
JOBS ?= 2

help: ## Show this help
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "} {printf "  make %-12s %s\n", $$1, $$2}'

$(RUNTIME): pyproject.toml requirements.txt
	@PYTHON=$(PYTHON) deploy/install requirements.txt
	@touch $(RUNTIME)

$(STAMP): pyproject.toml constraints.txt
	@PYTHON=$(PYTHON) deploy/install constraints.txt
	@touch $(RUNTIME) $(STAMP)

install: $(STAMP) ## Install into .venv, with the tools of tests and checks

runtime: $(RUNTIME) ## Install what the product needs, and no more

demo: $(RUNTIME) ## Simulated market, alerts that fire within a minute, Web UI; Ctrl-C ends
	@$(BIN)/alerts demo

check: $(STAMP) ## Format, lint, types, import direction
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP) ## All tests: units, activities, workflows, replays, end to end
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

format: $(STAMP) ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

SEEDS ?= 10
SEED ?= 1
MINUTES ?= 0
faults: $(STAMP) ## Faults and edits at random on the real parts, checked independently: SEEDS=n SEED=first MINUTES=m
	$(BIN)/python -m tests.faults --seeds $(SEEDS) --seed $(SEED) --minutes $(MINUTES)

bench: $(STAMP) ## Compare tick shapes, few rows with many, many alerts on a ticker with one, a screener beside alerts, the watch (about 10 minutes)
	$(BIN)/python -m bench.ticks --sandbox
	$(BIN)/python -m bench.rows
	$(BIN)/python -m bench.bars
	$(BIN)/python -m bench.preview
	$(BIN)/python -m bench.screener
	$(BIN)/python -m bench.fleet --only watch

histories: $(STAMP) ## Record the newest version's workflow histories anew; those of released versions stay
	$(BIN)/python -m tests.histories.record

generated: $(STAMP) ## Write the JSON Schemas, the indicator catalogue and the OpenAPI document anew
	$(BIN)/python -m activities.catalogue
	$(BIN)/python -m domain.schemas
	$(BIN)/python -m starter.api.document
	$(BIN)/python -m worker.provider_docs
	$(BIN)/python -m tests.activities.bar_files.page

pictures: $(STAMP) ## Draw the pictures of docs/pictures anew; needs Debian's chromium
	$(BIN)/python -m tests.pictures

clean: ## Remove the virtual environment and caches; what alerts have stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info


.PHONY: help install runtime demo check test faults format bench histories generated clean
