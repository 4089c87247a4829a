# make reproduce | make status | make test | make test-cluster | make lint | make bench. BUDGET, CORES, PROFILE, and what is
# run of it: EXPERIMENTS, DATASETS, METHODS (names), SEEDS (a count, or a list: SEEDS="42 43", SEEDS=42, for one alone).
BUDGET ?= quick
CORES ?= all
PROFILE ?= local
EXPERIMENTS ?=
DATASETS ?=
METHODS ?=
SEEDS ?=
PYTHON ?= python3
VENV ?= .venv

# What a user types reaches commands through the environment, as it is: neither make nor a shell looks into it.
TYPED := BUDGET CORES PROFILE EXPERIMENTS DATASETS METHODS SEEDS
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
GIVEN := $(filter-out SHELL MAKE% .% -*-%,$(GIVEN))
$(foreach name,$(sort $(TYPED) $(GIVEN)),$(eval override $(name) := $$(value $(name))))
export $(TYPED)
SELECTED = --budget="$$BUDGET" --experiments="$$EXPERIMENTS" --datasets="$$DATASETS" --methods="$$METHODS" --seeds="$$SEEDS"

# Variables given on the command line that nothing here reads; those with an underscore are for programs.
KNOWN := $(TYPED) PYTHON VENV
UNKNOWN := $(filter-out $(KNOWN),$(foreach name,$(GIVEN),$(if $(findstring _,$(name)),,$(name))))
export KNOWN UNKNOWN

.PHONY: reproduce test test-cluster lint bench setup status variables

reproduce: setup
	@$(VENV)/bin/python -m cfm reproduce $(SELECTED) --cores="$$CORES" --profile="$$PROFILE"

status: setup
	@$(VENV)/bin/python -m cfm status $(SELECTED)

bench: setup
	@$(VENV)/bin/python -m benchmarks

# A file of tests runs on one core, so that what its tests share is made once.
test: setup
	$(VENV)/bin/python -m pytest -n auto --dist loadfile

# Through a real Slurm that it starts here, and installs first if there is none: root only, else its tests are skipped.
test-cluster: setup
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement envs/kubernetes.txt
	$(VENV)/bin/python -m pytest tests/cluster

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy cfm benchmarks
	$(VENV)/bin/snakefmt --check Snakefile workflow
	PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/bin/snakemake --lint --config budget=smoke
	$(VENV)/bin/mkdocs build --strict --quiet

# The environment, made once and again whenever the lock changes. One pip command: with torch in it, no
# other package can replace the build of torch that the machine has.
setup: variables $(VENV)/.installed

variables:
	$(if $(UNKNOWN),@$(PYTHON) -m cfm.cli.variables)

$(VENV)/.installed: requirements.lock | variables
	@$(PYTHON) -c 'import sys; sys.exit("error: Python 3.11 or newer is needed, set PYTHON=...") if sys.version_info < (3, 11) else None'
	@echo "setting up $(VENV) (a few minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@touch $@
