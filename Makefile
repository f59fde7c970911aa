# Two commands: make demo, make test. Each makes .venv, installs what it needs, and runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# make install CPU=1: PyTorch without the libraries of NVIDIA GPUs, from PyTorch's own index.
WHEELS := $(if $(CPU),--extra-index-url https://download.pytorch.org/whl/cpu)
PIP := $(BIN)/python -m pip --disable-pip-version-check
# A container may forbid Python to keep what it compiled; then every process of the tests compiles all of it again.
export PYTHONDONTWRITEBYTECODE :=
RUNTIME := requirements.txt constraints.txt setup.py pyproject.toml $(wildcard requirements/*.txt)

.PHONY: demo test test-fast lint docs format install hashed clean

demo: $(VENV)/.runtime
	$(BIN)/anomdet demo

test: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(DOCS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests

# Unit and architecture tests only: while you work.
test-fast: $(VENV)/.tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" tests/unit tests/test_architecture.py

# docs/ as a site in build/site; a warning is an error.
DOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
docs: $(VENV)/.tests
	$(DOCS)

install: $(VENV)/.runtime

# opencv-python (asked for by mmcv) and opencv-python-headless (by Albumentations) unpack to one folder. The headless
# one must be the last: it also imports where there is no screen and no libGL.
$(VENV)/.runtime: $(RUNTIME)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "error: expected Python 3.10 to 3.13, got $$($(PYTHON) --version); say which: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install $(WHEELS) -r requirements.txt
	$(PIP) install --force-reinstall --no-deps -c constraints.txt opencv-python-headless
	touch $@

$(VENV)/.tests: $(VENV)/.runtime requirements/tests.txt requirements/docs.txt
	$(PIP) install -c constraints.txt -r requirements/tests.txt -r requirements/docs.txt
	touch $@

# The files that the tests were run with, hash by hash (requirements/gate.txt: Python 3.11, Linux, x86_64); then make test.
hashed:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes --no-deps --no-build-isolation -r requirements/gate.txt
	sed -n '/^opencv-python-headless/p' requirements/gate.txt > $(VENV)/headless.txt
	$(PIP) install --force-reinstall --require-hashes --no-deps -r $(VENV)/headless.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $(VENV)/.runtime $(VENV)/.tests

lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy

format: $(VENV)/.tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info
