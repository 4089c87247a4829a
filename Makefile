# `make` or `make help` says what there is.
BUDGET ?= quick
CORES ?= all
PROFILE ?= local
EXPERIMENTS ?=
DATASETS ?=
METHODS ?=
SEEDS ?=
DRY ?=
PYTHON ?= python3
VENV ?= .venv

# What a user types reaches commands through the environment, as it is: neither make nor a shell looks into it.
TYPED := BUDGET CORES PROFILE EXPERIMENTS DATASETS METHODS SEEDS DRY
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
GIVEN := $(filter-out SHELL MAKE% .% -*-%,$(GIVEN))
$(foreach name,$(sort $(TYPED) $(GIVEN)),$(eval override $(name) := $$(value $(name))))
export $(TYPED)
SELECTED = --budget="$$BUDGET" --experiments="$$EXPERIMENTS" --datasets="$$DATASETS" --methods="$$METHODS" --seeds="$$SEEDS"

# Variables given on the command line that nothing here reads; those with an underscore are for programs.
KNOWN := $(TYPED) PYTHON VENV
UNKNOWN := $(filter-out $(KNOWN),$(foreach name,$(GIVEN),$(if $(findstring _,$(name)),,$(name))))
export KNOWN UNKNOWN

.PHONY: help reproduce test test-cluster lint bench setup status variables
.DEFAULT_GOAL := help

define HELP
make reproduce     run a budget, from data to report; sets up .venv first; goes on where it was stopped
make status        what is done, running, failed, trained but not measured, or missing
make test          the tests                     make lint          the linters
make test-cluster  the tests with a real Slurm   make bench         speed, against plain code
make setup         only the environment, .venv   make help          this

Variables of reproduce (and, but for the last three, of status), as in `make reproduce BUDGET=smoke`:
  BUDGET=quick         smoke (minutes, the numbers mean nothing), quick (the default) or paper (the paper's settings)
  EXPERIMENTS="a b"    only these experiments; `.venv/bin/python -m cfm list` names them
  DATASETS="a b"       only these data sets
  METHODS="a b"        only these methods
  SEEDS=10             so many seeds: the experiment's own, then those after them; or a list: SEEDS="42 43", SEEDS=42,
  DRY=1                say which runs and jobs there would be and how long they may take, and do nothing
  CORES=4              how many jobs run at once; all cores by default
  PROFILE=local        where jobs run: local, gpu, slurm, cluster-generic, kubernetes (workflow/profiles)
Of all: PYTHON=python3.12 is what .venv is made with, VENV=.venv where it is.

Examples:
  make reproduce EXPERIMENTS=couplings DRY=1      what would the smallest table cost?
  make reproduce EXPERIMENTS=couplings            that table, in minutes
  make reproduce BUDGET=paper PROFILE=slurm       everything, on a cluster's login node
One step by hand, own methods, reports: `.venv/bin/python -m cfm --help`.
endef
export HELP

# Before anything is set up.
help: variables
	@echo "$$HELP"

reproduce: setup
	@$(VENV)/bin/python -m cfm reproduce $(SELECTED) --cores="$$CORES" --profile="$$PROFILE" $(if $(filter-out 0 no false,$(DRY)),--dry-run)

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
