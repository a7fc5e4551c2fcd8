# Everything a fresh machine needs: Python 3.11 or newer, a C compiler and make. The rest is installed into .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml CMakeLists.txt $(wildcard edgedescent/*/*.pyx edgedescent/*/*.pxd adapters/*/*.pyx)

.PHONY: help demo test wheel readers arm64 pythons brokers lint format docs soak damage torture bench clean

help:
	@echo "make demo     see it work; ARGS='--json' and other options of 'edgedescent demo' are passed on"
	@echo "make test     run the tests; ARGS='tests/unit -k adam' and other options of pytest are passed on"
	@echo "make wheel    build the wheel, and run README and guides with it in an empty environment"
	@echo "make readers  let Node-RED read predictions, and a client in Node.js ask for items, installing both with npm"
	@echo "make arm64    build and test on an emulated ARM64 processor; ARGS='--cache /var/tmp/roots' and options of pytest"
	@echo "make pythons  build and test under the Python of each Debian release: 3.11, 3.13 and 3.14"
	@echo "make brokers  try the daemon on several brokers, installing them; ARGS='-k rabbit --seed 7' chooses"
	@echo "make soak     run 10,000 simulated worlds; ARGS='--seeds 500 --first 10000' chooses others"
	@echo "make damage   3,000 faults in the state of each learner; ARGS='--learner BPR --faults 100' chooses"
	@echo "make torture  kill, cut, fill and flood a real daemon for an hour; ARGS='-k kill_9 --rounds 1000' chooses"
	@echo "make lint     ruff, mypy and the order of imports"
	@echo "make format   let ruff lay out the code"
	@echo "make docs     build the documentation site into site/"
	@echo "make bench    measure the learners beside their peers"
	@echo "make clean    remove the virtual environment and everything that was built"

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The package is built once, as editable; it is built again when its compiled sources change.
$(VENV)/.installed: $(SOURCES)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "No virtual environment could be made. On Debian: apt-get install python3-venv"; exit 1; }
	$(PIP) --editable .
	@touch $@

# One stamp for each set of extras, so that the demo does not wait for the tools of the tests.
$(VENV)/.with-%: $(VENV)/.installed
	$(PIP) 'edgedescent[$*]'
	@touch $@

demo: $(VENV)/.with-demo
	$(BIN)/edgedescent demo $(ARGS)

test: $(VENV)/.with-test
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

wheel: $(VENV)/.with-test
	$(BIN)/python -m pytest tests/wheel --numprocesses 0 $(ARGS)

readers: $(VENV)/.with-test
	npm install --silent --no-audit --no-fund --prefix build/readers node-red@4
	npm install --silent --no-audit --no-fund --prefix examples/shop
	$(BIN)/python -m pytest tests/readers tests/system/test_shop.py --numprocesses 0 $(ARGS)

arm64:
	tests/debian_root.sh --arch arm64 --suite bookworm $(ARGS)

pythons:
	tests/debian_root.sh --suite bookworm $(ARGS)
	tests/debian_root.sh --suite trixie $(ARGS)
	tests/debian_root.sh --suite forky $(ARGS)

# Brokers that cannot be installed are named and skipped; without any it fails.
brokers: $(VENV)/.with-test
	tests/brokers.sh
	$(BIN)/python -m pytest tests/brokers --numprocesses 3 --dist loadgroup $(ARGS)

soak: $(VENV)/.with-sim
	PYTHONPATH=sims $(BIN)/python -m edgedescent_world --seeds 10000 $(ARGS)

# What is interrupted goes on where it ended: the outcomes are in build/damage.jsonl.
damage: $(VENV)/.with-test $(VENV)/.with-sim
	@mkdir -p build
	PYTHONPATH=tests:sims $(BIN)/python -m damage --log build/damage.jsonl $(ARGS)

# One test may take a quarter of an hour, and what it says meanwhile is to be seen.
torture: $(VENV)/.with-test
	$(BIN)/python -m pytest -m rounds --torture --timeout 3600 -s $(ARGS)

lint: $(VENV)/.with-test $(VENV)/.with-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples
	PYTHONPATH=sims $(BIN)/lint-imports
	$(BIN)/python docs/imports.py

format: $(VENV)/.with-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.with-docs
	$(BIN)/python docs/build.py

bench: $(VENV)/.with-bench
	$(BIN)/python bench/learn.py $(ARGS)

clean:
	rm -rf $(VENV) build dist site edgedescent-demo
