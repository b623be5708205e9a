# The two commands a newcomer needs: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test test-all check docs reproduction clean

demo: $(STAMP)
	$(BIN)/tasktransfer demo --out demo-out

# two processes, a file of tests in one of them (what its tests share is made once), one thread each
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test: $(STAMP)
	$(PYTEST) -m "not slow"

test-all: $(STAMP)
	$(PYTEST)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# the docs as a site, with the public Python API: docs/_site/index.html
docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_site
	@echo "docs/_site/index.html"

# docs/reproduction.md from the paper's released tables: make reproduction PUBLISHED=../shared/published_pgf
reproduction: $(STAMP)
	$(BIN)/python docs/reproduction.py $(PUBLISHED) > docs/reproduction.md.new
	mv docs/reproduction.md.new docs/reproduction.md

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,models]"
	touch $(STAMP)

clean:
	rm -rf .venv demo-out docs/_site
