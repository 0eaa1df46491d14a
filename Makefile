# make smoke: the whole pipeline on real photographs, two CPU cores, no network; make test: the tests.
# Both create the environment in .venv first.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export HF_HUB_OFFLINE ?= 1
export DVC_NO_ANALYTICS = 1

.PHONY: smoke mini test test-faults test-mutations test-cluster lint format clean

smoke: .venv/installed
	snakemake --cores all --show-failed-logs
	pqgan times --benchmarks benchmarks

# the paper's claims on one GPU (Imagenette below $PQGAN_DATA_DIR), then training, matching and sampling at full size
SCALE ?= mini
FULL ?= paper
BEST ?= f8-d128-S64-K512 f16-d128-S64-K128
mini: .venv/installed
	snakemake --cores all --keep-going --config scale=$(SCALE)
	pqgan bench matching --scale $(FULL) --out benches/matching
	pqgan bench train $(BEST) --scale $(FULL) --out benches/train.json
	pqgan bench generators --scale $(FULL) --out benches/generators

test: .venv/installed lint
	OMP_NUM_THREADS=1 pytest -n 2 --durations=10 -m "not thorough"

# killed, stopped, starved and damaged in every way, thousands of damaged files, and through DVC and back: some minutes
test-faults: .venv/installed
	OMP_NUM_THREADS=1 pytest -n 2 --durations=10 tests/faults tests/workflow

# small faults put into copies of the code, one at a time: do the tests notice? about half an hour on two cores;
# make test-mutations MUTATIONS="--area plan --resume" tries some of them, and goes on where it was stopped
MUTATIONS ?=
test-mutations: .venv/installed
	PYTHONPATH=tests/mutations python -m mutation_run $(MUTATIONS)

# on a real Slurm of one node, installed from Debian's packages where this user may; else one line, "skipped: ..."
test-cluster: .venv/installed
	tests/cluster/run --durations=10

lint: .venv/installed
	ruff check .
	ruff format --check .
	lint-imports
	snakefmt --check Snakefile workflow
	snakemake --lint

format: .venv/installed
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("make: Python %d.%d; expected 3.11 or newer: make PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# what rules and this file have made, in the folders that .gitignore names; of reports/ files that are
# named like rendered items, as all else there is of whoever put it there
clean:
	rm -rf .venv .snakemake data/prepared results runs logs benchmarks
	for file in $$(grep -ls '"item":' reports/table*.json reports/figure*.json); do \
	    rm -f "$$file" "$${file%.json}.tex" "$${file%.json}.pdf" "$${file%.json}.png"; done
	rm -f reports/report.html reports/metrics.json
