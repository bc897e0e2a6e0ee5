# Everything is set up in .venv by the first target that needs it; a second call finds it ready.

PYTHON ?= python3
WORKERS ?= $(shell nproc)
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo annotate test check lint perf

demo: $(READY)
	$(BIN)/likeness demo --out demo

annotate: $(READY)
	$(BIN)/likeness annotate example --out annotate

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile

check: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not slow"

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

perf: $(READY)
	@for script in perf/*.py; do echo "$$script"; OMP_NUM_THREADS=1 $(BIN)/python $$script || exit; done

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "likeness needs Python 3.11 or newer, such as: make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { echo "$(PYTHON) can't make .venv; on Debian: apt-get install python3-venv" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --python $(BIN)/python -c constraints.txt -e ".[dev]"
	@touch $@
