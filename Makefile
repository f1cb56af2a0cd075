# Everything sets itself up: `make run` and `make test` need Python 3.11 or newer, make and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test faults check bench picture clean
.DEFAULT_GOAL := run

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "MyPT needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + "; name another with make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing MyPT and what it needs into $(VENV) (once; PyTorch is large) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(READY)

run: $(READY)
	@exec $(BIN)/mypt-tui $(WORKSPACE)

# Many tests wait for a screen or a process: four at once keep two cores busy. What was compiled is kept, since each of
# the four, and each process that they start, would compile it again.
test: $(READY)
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

# A long round of faults: SEED repeats one, ROUNDS says how many times as long as the short one it is.
faults: $(READY)
	@SEED=$(SEED) ROUNDS=$(ROUNDS) $(BIN)/python -m tests.faults -n 4 $(ARGS)

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(READY)
	@$(BIN)/python -m benchmarks

picture: $(READY)
	@$(BIN)/python docs/picture.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
