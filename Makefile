# The two commands of the README; each does all the set-up it needs. Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test slow lint benchmark clean

demo: $(READY)
	$(BIN)/twinlens demo --out runs/demo

test: $(READY) lint
	$(BIN)/python -m pytest --cov --cov-report=term

slow: $(READY)
	$(BIN)/python -m pytest -m slow -s

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(READY)
	$(BIN)/python -m tests.benchmarks.scoring

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "TwinLens needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade -c constraints.txt pip
	# torch first and by exact version: only an exact version finds a CPU build that was put beside pip.
	$(BIN)/pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/pip install --quiet -c constraints.txt -e . --group dev
	touch $@

clean:
	rm -rf $(VENV) runs dist .coverage .pytest_cache .mypy_cache .ruff_cache
