# `make lab` and `make test` each work as the only command on a machine with Python 3.11 to 3.13, make and PyPI.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
LAB_READY := $(VENV)/.lab-ready
ALL_READY := $(VENV)/.all-ready
ALL_EXTRAS := train,lab,render,dev

# Passed on to the command behind a target: `make lab ARGS="--seeds 8"`, `make test-compiled ARGS="-k book"`.
ARGS ?=
KERNEL_TESTS := tests/market tests/agents tests/engine
API_TESTS := tests/envs tests/adapters
NEWEST_GYMNASIUM := 1.4.0
NEWEST := $(VENV)/gymnasium-newest
NEWEST_NUMBA := $(VENV)/numba-newest

# Batches bring their own threads; PyTorch's would fight them for the cores.
export OMP_NUM_THREADS ?= 1

.PHONY: lab train zoo test test-compiled test-interpreted test-bounds test-plain test-newest test-notebooks lint bench bench-smoke clean
.NOTPARALLEL:

lab: $(LAB_READY)
	$(BIN)/python -m evaluate.policy_lab $(ARGS)

# Everything that training needs, and nothing run.
train: $(ALL_READY)

# Train the shipped policies again from train/zoo/settings.yml: hours.
zoo: $(ALL_READY)
	$(BIN)/python -m train.zoo $(ARGS)

test: test-compiled test-interpreted test-bounds test-plain test-newest test-notebooks

# The whole suite, as users run the market.
test-compiled: $(ALL_READY)
	$(BIN)/python -m pytest -n 2 $(ARGS)

# The kernels as plain Python, where coverage sees their lines.
test-interpreted: $(ALL_READY)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n 2 -m "not slow" --cov=lobenv --cov-report=term:skip-covered $(KERNEL_TESTS)

# The kernels with every index checked, in a cache of their own.
test-bounds: $(ALL_READY)
	NUMBA_BOUNDSCHECK=1 LOBENV_CACHE_DIR=$(abspath $(VENV))/bounds-cache $(BIN)/python -m pytest -n 2 -m "not slow" $(KERNEL_TESTS)

# The paths of all presets without what Numba does not document, on the newest Numba that pip finds.
test-plain: $(NEWEST_NUMBA)/.ready
	PYTHONPATH=$(abspath $(NEWEST_NUMBA)) $(BIN)/python -c 'import numba; assert "$(NEWEST_NUMBA)" in numba.__file__; print("Numba", numba.__version__)'
	LOBENV_PLAIN_NUMBA=1 PYTHONPATH=$(abspath $(NEWEST_NUMBA)) $(BIN)/python -m pytest tests/digests

# The API on the newest Gymnasium, which Ray's pin keeps out of the constraints.
test-newest: $(NEWEST)/.ready-$(NEWEST_GYMNASIUM)
	PYTHONPATH=$(abspath $(NEWEST)) $(BIN)/python -c 'import gymnasium; assert gymnasium.__version__ == "$(NEWEST_GYMNASIUM)"'
	PYTHONPATH=$(abspath $(NEWEST)) $(BIN)/python -m pytest -n 2 $(API_TESTS)

# Every cell of the notebooks, on few seeds.
test-notebooks: $(ALL_READY)
	LOBENV_NOTEBOOK_SEEDS=4 $(BIN)/python -m pytest --nbmake --nbmake-timeout=600 notebooks

lint: $(ALL_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(LAB_READY)
	$(BIN)/python -m evaluate.throughput $(ARGS)

bench-smoke: $(LAB_READY)
	$(BIN)/python -m evaluate.throughput --smoke $(ARGS)

clean:
	rm -rf $(VENV) build dist .coverage .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is what a new environment receives last: where it stands, the environment is whole.
$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "lobenv needs Python 3.11, 3.12 or 3.13 on PATH (or make PYTHON=/path/to/python)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv installs in seconds what takes pip minutes, but reads none of pip's settings, of which a folder of local wheels is handed on.
# Where uv is not to be had or does not get through, pip installs the same set.
define install
	@echo "Installing lobenv[$(1)] into $(VENV), once"
	@($(PIP) -c constraints.txt uv && UV_FIND_LINKS="$(WHEEL_FOLDER)" $(BIN)/uv pip install -q \
		--python $(BIN)/python -c constraints.txt -e '.[$(1)]') || $(PIP) -c constraints.txt -e '.[$(1)]'
	@touch $@
endef
PIP := $(BIN)/pip --disable-pip-version-check install -q
WHEEL_FOLDER = $${PIP_FIND_LINKS:-$$($(BIN)/pip config get global.find-links 2>/dev/null)}

$(LAB_READY): pyproject.toml constraints.txt | $(BIN)/pip
	$(call install,lab)

$(ALL_READY): pyproject.toml constraints.txt | $(BIN)/pip
	$(call install,$(ALL_EXTRAS))

$(NEWEST)/.ready-$(NEWEST_GYMNASIUM): $(ALL_READY)
	rm -rf $(NEWEST)
	$(PIP) --no-deps --target $(NEWEST) gymnasium==$(NEWEST_GYMNASIUM)
	@touch $@

# With the llvmlite and the NumPy that it asks for.
$(NEWEST_NUMBA)/.ready: $(ALL_READY)
	rm -rf $(NEWEST_NUMBA)
	$(PIP) --target $(NEWEST_NUMBA) numba
	@touch $@
