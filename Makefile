# Needs GNU make and a Python >= 3.11.4; everything else is installed into .venv from the lock
# files. PYTHON says which Python a new .venv is made with: `make run PYTHON=python3.12`.
# ARGS are handed on: `make run ARGS="--pipelines evaluation,reporting"`, `make test ARGS="-k manifest"`.
PYTHON ?= python3
ARGS ?=
UV ?= uv
CHROMIUM ?= chromium

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python

# A stamp is written last, and named after the content of its lock file: a .venv without the stamp
# that is looked for is half made or outdated, and is made again.
sum = $(shell { cksum < $(1); } 2>/dev/null | tr -s '[:space:]' '-')
CORE := $(VENV)/core-$(call sum,requirements/core.lock).stamp
DEV := $(VENV)/dev-$(call sum,requirements/dev.lock).stamp
DOCS := $(VENV)/docs-$(call sum,requirements/docs.lock).stamp
STAMPS := $(wildcard $(VENV)/*.stamp)
ALIVE := $(shell $(PY) -c '' 2>/dev/null && echo alive)

# --no-compile: what is imported is compiled then, the rest never; this halves the time
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check --no-input --no-compile \
	--require-hashes

.DEFAULT_GOAL := help
.PHONY: help run preview test test-all bench bench-service axe lint format viz graph contract docs reproduce tracking serve accept \
	update lock clean force

# a target names, after a bar, a file of the part that it is of: without it, it is not listed
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { if (match($$0, /\| [^ ]+/) && \
		system("test -e " substr($$0, RSTART + 2, RLENGTH - 2))) next; \
		printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(CORE) ## set up, then run the default pipeline (kedro run)
	$(PY) -m kedro run $(ARGS)

preview: $(CORE) ## set up, then a quick look without the test set (kedro run --pipelines preview)
	$(PY) -m kedro run --pipelines preview $(ARGS)

test: $(DEV) ## set up, then run the tests (pytest)
	$(PY) -m pytest -n auto --dist loadfile $(ARGS)

test-all: $(DEV) | tests/preflight/slow ## run all tests, those that take long too: about half an hour
	$(PY) -m pytest -n auto --dist loadfile -m "" $(ARGS)

bench: $(DEV) | benchmarks/README.md ## measure speed and memory, about half an hour (benchmarks/README.md)
	$(PY) -m benchmarks.windows
	$(PY) -m benchmarks.contracts
	$(PY) -m benchmarks.kedro_overhead
	$(PY) -m benchmarks.startup
	$(PY) -m benchmarks.run
	$(PY) -m benchmarks.search
	$(PY) -m benchmarks.pruning
	$(PY) -m benchmarks.gate
	$(PY) -m benchmarks.block
	$(PY) -m benchmarks.monitoring_alarms
	$(PY) -m benchmarks.monitoring_faults
	$(PY) -m benchmarks.experiments
	$(PY) -m benchmarks.monitoring_year

bench-service: $(DEV) | src/preflight/serving/measure.py ## measure the newest candidate as a service, for the promotion gate (needs hey)
	@PYTHONPATH=src $(PY) -m preflight.serving.measure $(ARGS)

axe: | tests/preflight/reporting/axe.mjs ## check the newest pages in a browser with axe-core, and take their pictures (needs npm, Chromium)
	@command -v npm >/dev/null && command -v $(CHROMIUM) >/dev/null || { \
		echo "make axe needs npm and Chromium: make axe CHROMIUM=/path/to/chromium" >&2; exit 1; }
	@npm install --silent --no-audit --no-fund --prefix build/axe axe-core@4 playwright-core@1
	CHROMIUM=$$(command -v $(CHROMIUM)) node tests/preflight/reporting/axe.mjs

lint: $(DEV) ## check style, formatting and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

format: $(DEV) ## mend style and formatting where that is safe
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

viz: $(DEV) ## show the pipelines in the browser (kedro viz run)
	$(PY) -m kedro viz run $(ARGS)

graph: $(DEV) ## keep the graph of make viz as files (they hold data rows: publish with care)
	$(PY) -m kedro viz build --include-previews $(ARGS)
	@rm -rf site/graph && mkdir -p site && mv build site/graph
	@echo "To look at it: $(PY) -m http.server --directory site, and there /graph/"

contract: $(CORE) ## draft a contract and catalog entry: make contract FROM=new.csv [TO=draft.py]
	@$(PY) -m kedro contract "$(FROM)" $(if $(TO),--to "$(TO)")

docs: $(DOCS) | mkdocs.yml ## build the pages of docs/ into site/, which opens offline
	$(PY) -m kedro dictionary > docs/dictionary.md
	NO_COLOR=1 $(PY) -m zensical build --config-file mkdocs.yml --strict --clean

reproduce: $(CORE) ## make a run again in a clean folder and compare: make reproduce RUN=<version>
	$(PY) -m kedro reproduce $(RUN)

tracking: $(CORE) ## add MLflow and the Optuna dashboard, which slow every run (docs/runs.md)
	@$(INSTALL) -r requirements/tracking.lock

serve: $(DEV) | src/preflight/serving/app.py ## serve the champion over HTTP: make serve ARGS="--port 8000"
	PYTHONPATH=src $(PY) -m preflight.serving $(ARGS)

accept: $(CORE) ## accept the files in data/01_raw as they are, on purpose
	$(PY) -m kedro accept-data

# the lock files may be new ones: another make looks at them
update: $(CORE) ## take a newer version of the template, and test: make update FROM=<folder or git URL>
	$(PY) -m kedro update $(if $(FROM),"$(FROM)") $(ARGS)
	$(MAKE) test ARGS=

lock: ## write the lock files anew (needs uv); ARGS=--upgrade takes new versions
	@command -v $(UV) >/dev/null || { \
		echo "make lock needs uv: pip install uv, or make lock UV=/path/to/uv" >&2; exit 1; }
	$(LOCK) --output-file requirements/core.lock
	$(LOCK) --extra dev --extra viz --extra serving --constraints requirements/core.lock \
		--output-file requirements/dev.lock
	$(if $(wildcard requirements/serving.lock),$(LOCK) --extra serving \
		--constraints requirements/dev.lock --output-file requirements/serving.lock)
	$(LOCK) --extra tracking --constraints requirements/core.lock \
		--output-file requirements/tracking.lock
	$(if $(wildcard requirements/docs.lock),$(LOCK) --extra docs \
		--constraints requirements/dev.lock --output-file requirements/docs.lock)

LOCK = $(UV) pip compile pyproject.toml --quiet --universal --generate-hashes $(ARGS) \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

clean: ## remove .venv, caches and builds; data and models stay
	rm -rf $(VENV) build site docs/dictionary.md .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .viz
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +

# made from other lock files, or its interpreter is gone
ifneq ($(ALIVE) $(filter-out $(CORE) $(DEV) $(DOCS),$(STAMPS)),alive )
$(CORE): force
endif

$(CORE): | requirements/core.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:3]; v >= (3, 11, 4) or sys.exit( \
		"Python 3.11.4 or newer is needed, and $(PYTHON) is %d.%d.%d: name a newer one, for " \
		"example with PYTHON=python3.12" % v)'
	@echo "Making $(VENV) from requirements/core.lock: once, about a minute" >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) -r requirements/core.lock
	@test -x $(BIN)/kedro || { \
		echo "requirements/core.lock has nothing for this platform: see [tool.uv] in pyproject.toml" >&2; \
		exit 1; }
	@touch $@

$(DEV): $(CORE) | requirements/dev.lock
	@echo "Adding requirements/dev.lock to $(VENV): once, less than a minute" >&2
	@$(INSTALL) -r requirements/dev.lock
	@touch $@

$(DOCS): $(CORE) | requirements/docs.lock
	@echo "Adding requirements/docs.lock to $(VENV): once, less than a minute" >&2
	@$(INSTALL) -r requirements/docs.lock
	@touch $@
