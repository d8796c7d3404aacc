# `make run` sets up .venv from requirements.lock and runs a survey; `make help` lists the rest.
CONFIG := config/config.yaml
ARCHIVE :=
DIR := .
CORES := 0
NAME :=
# The first Python that can do it; inside another environment, the one that environment was made from.
PYTHON = $(shell for v in 3.13 3.12 3.11 3.14 3; do python$$v -c 'import ensurepip, sys, venv; \
	sys.version_info < (3, 11) and sys.exit(1); print(sys._base_executable)' 2>/dev/null && break; done)

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP := .venv/.package-installed

.DELETE_ON_ERROR:
.PHONY: run resume test test-all bench lock lint audit clean help
.DEFAULT_GOAL := run

# Names as they are given: neither make nor the shell finds anything to expand in them.
unexport CONFIG ARCHIVE DIR
run resume: export GIVEN_DIR := $(value DIR)
run: export GIVEN_CONFIG := $(value CONFIG)
run: export GIVEN_ARCHIVE := $(value ARCHIVE)

run: $(STAMP)  ## run a survey: CONFIG=file, ARCHIVE=folder or URL instead of the file's, DIR=where results/ goes, CORES=n
	$(BIN)/python -m pipeline run --config="$$GIVEN_CONFIG" --directory="$$GIVEN_DIR" --cores $(CORES) \
	  $(if $(value ARCHIVE),--archive="$$GIVEN_ARCHIVE")

resume: $(STAMP)  ## finish an interrupted survey: DIR=its folder
	$(BIN)/python -m pipeline resume --directory="$$GIVEN_DIR" --cores $(CORES)

# One folder of compiled programs for all processes of the tests, kept from run to run.
test test-all: export PIPELINE_COMPILATION_CACHE := $(CURDIR)/.cache/jax

# Half of the time of a first run is compilation: XLA optimises less. `make test-all` compiles as a survey does.
test: export XLA_FLAGS := --xla_backend_optimization_level=1
test: $(STAMP)  ## run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-all: $(STAMP)  ## run the tests and the minutes of Monte Carlo; print the coverage of the code
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered

# With a thread of BLAS a core, small matrices cost several times the CPU time, most of all those of the peers.
bench: export OPENBLAS_NUM_THREADS := 1
bench: $(STAMP)  ## run the benchmarks, or NAME=one
	@for b in $(if $(NAME),benchmarks/$(NAME).py,$(sort $(wildcard benchmarks/[!_]*.py))); do \
	  $(BIN)/python $$b || exit; done

lock:  ## resolve requirements.lock anew (needs uv)
	uv pip compile --universal --fork-strategy fewest --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --python-version 3.11 --group test \
	  pyproject.toml -o requirements.lock

lint: $(STAMP)  ## check and format the code, check its types
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/mypy

audit: $(STAMP)  ## look for known weaknesses: rules of security in the code, advisories for the locked packages
	$(BIN)/python .ci/audit

clean:  ## remove what was built, not the results
	rm -rf .venv .cache build .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage* src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 10

.venv/.lock-installed: requirements.lock
	@test -n "$(PYTHON)" || { echo "make: found no Python >= 3.11 with venv and ensurepip; install" \
	  "one (Debian: python3-venv), or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 1; }
	rm -rf .venv
	"$(PYTHON)" -m venv .venv
	$(PIP) --require-hashes -r requirements.lock
	touch $@

$(STAMP): pyproject.toml .venv/.lock-installed
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@
