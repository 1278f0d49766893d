PYTHON ?= python

EXAMPLES ?= $(filter-out %/settings.py,$(wildcard $(CURDIR)/examples/*.py))

.PHONY: install check types test examples notebooks docs bench

install:  # for work on the library itself
	$(PYTHON) -m pip install -e ".[test]"

check:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:  # needs the extras `types`, `jax` and `examples`
	$(PYTHON) -m pyright --level error
	$(PYTHON) tests/verify_types.py

test:
	$(PYTHON) -m pytest

examples:  # each with little data, two at a time, in build/examples; needs the extras `examples` and `plot`
	mkdir -p build/examples
	printf '%s\n' $(EXAMPLES) | (cd build/examples && \
		xargs -P 2 -I {} sh -c '$(PYTHON) {} --smoke > $$(basename {}).log 2>&1 || \
			{ cat $$(basename {}).log; exit 255; }')

notebooks:  # makes and executes examples/notebooks; needs the extras `notebooks` and `examples`
	PYTHONPATH=. $(PYTHON) examples/notebooks/make.py

docs:  # pages of the API in docs/api; needs the extra `docs`
	PYTHONPATH=. $(PYTHON) docs/build.py

bench:  # prints the tables of benchmarks/RESULTS.md; needs the extra `bench`
	$(PYTHON) benchmarks/loading.py
	$(PYTHON) benchmarks/decode.py
	$(PYTHON) benchmarks/decode_growth.py
	$(PYTHON) benchmarks/pretraining.py
	$(PYTHON) benchmarks/recompute.py
	$(PYTHON) benchmarks/precision.py
