# make                       this list
# make repro [PRESET=name]   set up if needed, then run the study of params.yaml (or of a preset); WORKERS=2: two stages at a time
# make test                  set up if needed, then lint, types and tests
# make test-fast             lint, types and the tests of less than a second or two
# make versions [BUMP=1]     do stages still give the results of versions.yaml? record it, or bump numbers
# make bench [ROWS=name]     speed and memory, side by side with what one would use instead: benchmarks/RESULTS.md
# make bench-check           the same again; fails if a ratio fell by more than a fifth
# make bench-all             every script in benchmarks, also what has nothing to stand beside
# make serve                 a Prefect server on this machine, and the study on its schedule
# make register              every strategy as a tag strategy/<name> and a DVC experiment
# make fuzz [INPUTS=3000]    mutated inputs over all readers: each is read or refused, none is lost
# make test-recovery         kill and cut the power forty times; the results stay the same
# make test-ray              the flow's stages on a real Ray, started here (installs requirements-ray.lock)
# make test-flows            the flow end to end on a tiny study, parallel against sequential
# make test-documents        every command of the documents, also those that take minutes
# make docs                  the site of docs/ in site/, which opens from disk (installs requirements-docs.lock)
# make clean                 remove all that was built; your files, DVC's cache and .venv stay
# make clean-cache           free DVC's cache of what no commit, no experiment and not the present study needs
# make clean-all             remove DVC's cache and .venv, too

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUTF8 := 1
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export GX_ANALYTICS_ENABLED := false
export HF_HUB_DISABLE_TELEMETRY := 1
# Stages and tests are hundreds of processes: each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help repro versions test test-fast lint bench bench-check bench-all serve register test-recovery test-flows test-ray test-documents docs fuzz clean clean-cache clean-all

help:
	@sed -n 's/^# make/make/p' Makefile

repro: $(VENV)/.installed
ifdef PRESET
	@$(BIN)/python -m flows.preset "$(PRESET)"
endif
	@$(BIN)/polybatch run $(if $(WORKERS),--workers $(WORKERS))

versions: $(VENV)/.installed
	@echo "polybatch: a tiny study, held against versions.yaml (a minute)"
	@$(BIN)/python -m tests.helpers.proof $(if $(BUMP),--bump)

# mypy has one core, which it needs once for a minute, while the tests begin on the other.
test test-fast: $(VENV)/.installed
	@echo "polybatch: lint, types and tests"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy & types=$$!; \
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(TESTS); tests=$$?; \
	wait $$types && exit $$tests

test: TESTS = -n 3 --dist loadfile --no-loadscope-reorder
test-fast: TESTS = -n 2 --dist loadfile --fast

lint: $(VENV)/.installed
	@echo "polybatch: lint and types"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench bench-check: $(VENV)/.installed
	@$(BIN)/python benchmarks/bench.py $(if $(filter bench-check,$@),--check) $(if $(ROWS),--rows $(ROWS))

bench-all: $(VENV)/.installed
	@for script in benchmarks/*_*.py benchmarks/startup.py benchmarks/identification.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

serve: $(VENV)/.installed
	@$(BIN)/python -m flows.serve

register: $(VENV)/.installed
	@$(BIN)/python -m flows.register

test-recovery: $(VENV)/.installed
	@echo "polybatch: kills and power losses, each followed by a run that must succeed"
	@POLYBATCH_SLOW=1 POLYBATCH_KILLS=$(or $(KILLS),20) $(BIN)/python -m pytest -s tests/flows/test_recovery.py

test-ray: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-ray.lock
	@$(BIN)/python -m pytest -s tests/flows/test_ray.py

test-flows: $(VENV)/.installed
	@POLYBATCH_SLOW=1 $(BIN)/python -m pytest -s tests/flows/test_flow_end_to_end.py

fuzz: $(VENV)/.installed
	@echo "polybatch: mutated inputs over all readers"
	@$(BIN)/python -m tests.helpers.fuzz --inputs $(or $(INPUTS),3000) --seed $(or $(SEED),0)

test-documents: $(VENV)/.installed
	@POLYBATCH_SLOW=1 $(BIN)/python -m pytest $(addprefix tests/study/test_,documents.py csv_to_report.py tutorial.py wheel.py)

docs: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-docs.lock
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "polybatch: open site/index.html"

# What git ignores in these folders is built: inputs/ and .dvc/config.local, which are yours, are not among them.
clean:
	@git clean -fdXq -- data models results src stages flows tests benchmarks
	@rm -rf build dist site dvc_plots .dvc/tmp .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@echo "polybatch: removed all that was built; dvc checkout brings back what DVC's cache holds"

clean-cache: $(VENV)/.installed
	@$(BIN)/dvc gc --workspace --all-commits --all-experiments --force

clean-all: clean
	@rm -rf $(VENV) .dvc/cache

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "polybatch needs Python 3.11 or newer, found " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	@echo "polybatch: setting up $(VENV) from requirements.lock (about two minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
