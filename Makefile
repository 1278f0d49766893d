PYTHON ?= python

.PHONY: install check test docs bench

install:  # for work on the library itself
	$(PYTHON) -m pip install -e ".[test]"

check:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

test:
	$(PYTHON) -m pytest

docs:  # pages of the API in docs/api; needs the extra `docs`
	PYTHONPATH=. $(PYTHON) docs/build.py

bench:  # prints the tables of benchmarks/RESULTS.md; needs the extra `bench`
	$(PYTHON) benchmarks/loading.py
	$(PYTHON) benchmarks/decode.py
