# Two commands on a fresh machine with Python 3.11 and make: `make nightly` and `make test`.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
READY := .venv/ready

.PHONY: nightly test check-faults ui check bench backtest clean format suites chart audit

nightly: $(READY)
	$(BIN)/ccg nightly

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

# What is left when a night is killed, the disk is full or others are in its way (half an hour; some of it as root).
check-faults: $(READY)
	$(BIN)/pytest -c tests/faults/pytest.ini tests/faults

ui: $(READY)
	$(BIN)/ccg ui

# Is what stands in the landing folder recognised, and would it load?
check: $(READY)
	$(BIN)/ccg check "$${CCG_RAW:-raw}"

# Nights beside bare engines, a pack, cost against history (CCG_BENCH_MONTHS=1,12,60,120): tests/bench/__main__.py.
bench: $(READY)
	$(BIN)/python tests/bench

# How well the forecasts of years would have done, beside a naive one and candidates of statsmodels (five minutes).
backtest: $(READY)
	$(BIN)/python tests/backtest.py

# Known vulnerabilities of the locked packages; asks the database behind the package index (docs/operating.md).
audit: $(READY)
	$(BIN)/python tests/audit.py

# The standards suites, written anew from the catalogue.
suites: $(READY)
	$(BIN)/python -m ccg_pipeline.checks.standards

# The control chart of the pack, compiled anew from its design.
chart: $(READY)
	$(BIN)/python -m ccg_pipeline.publication.chart_design

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found on PATH."; exit 1; }
	$(PYTHON) -m venv .venv
	if command -v uv >/dev/null; then \
		uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

clean:
	rm -rf .venv var
