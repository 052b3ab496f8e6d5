# quickstart and test install what they need; everything else expects them to have run once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: quickstart test test-all findings lint docs bench clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,test,lint,docs]'
	touch $@

quickstart: $(STAMP)
	$(BIN)/xlgen quickstart --out runs/quickstart

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

# With what takes longer: every product of methods and families, kills and full disks, malformed inputs.
test-all: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# The papers' findings in the pocket world: trains for minutes, so not a part of test.
findings: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m slow tests/findings

lint: $(STAMP) docs
	$(BIN)/ruff check src tests benchmarks scripts
	$(BIN)/ruff format --check src tests benchmarks scripts
	$(BIN)/mypy

# The site, in site/. A broken link, or a page that is not in the navigation, is an error.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The scripts that open with a claim; an hour and more. Each says whether its claim holds; all are run.
bench: $(STAMP)
	@for script in $$(grep -l '^"""Claim' benchmarks/*.py); do echo "== $$script"; $(BIN)/python $$script; done

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache
