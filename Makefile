# make reproduce | make test | make test-cluster | make lint | make bench; BUDGET, CORES, PROFILE and EXPERIMENTS may be set.
BUDGET ?= quick
CORES ?= all
PROFILE ?= local
EXPERIMENTS ?=
PYTHON ?= python3
VENV ?= .venv

.PHONY: reproduce test test-cluster lint bench setup status

reproduce: setup
	@$(VENV)/bin/python -m cfm reproduce --budget "$(BUDGET)" --cores "$(CORES)" --profile "$(PROFILE)" --experiments "$(EXPERIMENTS)"

status: setup
	@$(VENV)/bin/python -m cfm status --budget "$(BUDGET)" --experiments "$(EXPERIMENTS)"

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
setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("error: Python 3.11 or newer is needed, set PYTHON=...") if sys.version_info < (3, 11) else None'
	@echo "setting up $(VENV) (a few minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@touch $@
