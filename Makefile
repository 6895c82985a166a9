# Every verb people, hooks and CI need. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 -c '' 2>/dev/null && echo python3.12 || (command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' 2>/dev/null && echo python3.11) || echo python3)
UV_VERSION := $(shell sed -n 's/^ *"uv==\([0-9.]*\)".*/\1/p' pyproject.toml)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
# No telemetry from any of the tools, and no OpenTelemetry spans on the serving path.
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export BENTOML_DO_NOT_TRACK := True
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export TF_CPP_MIN_LOG_LEVEL ?= 2
# Many containers keep Python from storing bytecode; each stage is a process, and each would compile its imports anew.
export PYTHONDONTWRITEBYTECODE :=

# What cannot be made again, or not for nothing.
KEPT := artifacts/registry artifacts/exposures artifacts/tuning

.PHONY: help install demo test lint format types unit repro bench peers serve ui clean

help: ## list these verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

# The stamp is newer than the lock once the environment holds exactly what the lock says.
.venv/.synced: uv.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v in ((3, 11), (3, 12)) else "Podium needs Python 3.11 or 3.12; $(PYTHON) is %d.%d. Try: make PYTHON=/path/to/python3.12 install" % v)'
	@test -x .venv/bin/pip || test -x .venv/bin/uv || "$(PYTHON)" -m venv .venv
	@test -x .venv/bin/uv || .venv/bin/python -m pip install --quiet uv==$(UV_VERSION)
	@echo "Setting up .venv from uv.lock (3 GB, a few minutes the first time) ..."
	@.venv/bin/uv sync --locked --quiet
	@touch $@

install: .venv/.synced ## create .venv from uv.lock, hashes checked

demo: install ## the whole loop on MovieLens-100K: train, compress, prove, promote, serve, watch
	@python -m flows.demo

test: lint types unit ## lint, import rules, types, all tests

lint: install ## ruff (rules and format) and the import rules
	ruff check .
	ruff format --check .
	lint-imports

format: install ## apply ruff's format and safe fixes
	ruff check --fix .
	ruff format .

types: install ## mypy, strict
	mypy .

unit: install ## pytest, two files at a time
	pytest -q -n 2 --dist loadfile

repro: install ## the reproducible part alone, the same as `dvc repro`
	dvc repro

bench: install ## all figures of our own but MovieLens-1M's into docs/results and README (hours; each goes alone too)
	python -m benchmarks.quality
	python -m benchmarks.families
	python -m benchmarks.cold_items
	python -m benchmarks.ranking
	python -m benchmarks.compression
	python -m benchmarks.index
	python -m benchmarks.training_speed
	python -m benchmarks.serving
	python -m benchmarks.growth
	python -m benchmarks.bento_size
	python -m benchmarks.soak --seconds 300
	python -m benchmarks.soak --seconds 1800 --share 0.5
	python -m benchmarks.readme

peers: install ## other libraries on the same questions, after `make bench` (full mode: hours; it can be interrupted)
	python -m benchmarks.side_by_side
	python -m benchmarks.readme

serve: install ## serve the newest bento on 127.0.0.1:3000
	@bentoml get podium:latest > /dev/null 2>&1 || { echo "There is no bento yet. Make one: make demo"; exit 1; }
	OTEL_SDK_DISABLED=true bentoml serve podium:latest --host 127.0.0.1 --port 3000

ui: install ## Prefect server and UI on 127.0.0.1:4200, the deployments and a worker
	@python -m flows.ui

clean: ## remove the environment and what DVC and the flows made, but registry, exposures and tuning
	rm -rf .venv .cache dvc_plots data/raw data/prepared data/split data/features .dvc/cache .dvc/tmp
	rm -rf $(filter-out $(KEPT),$(wildcard artifacts/*))
