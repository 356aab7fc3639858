# env   a virtual environment with everything that the tests need
# test  the tests
# lint  linter, formatter and type checker, changing nothing
# demo  encode and decode a clip into demo/; CLIP=my.mp4 takes your own

PYTHON ?= python3
BIN := .venv/bin

.PHONY: env test lint demo
# Two targets may want to install into the one environment.
.NOTPARALLEL:

env: .venv/.installed-dev

# One stamp per extra of pyproject.toml. A venv that was interrupted has no pip yet.
.venv/.installed-%: pyproject.toml setup.py constraints.txt
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[$*]'
	touch $@

# Two processes of one thread each are faster than one of two.
test: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

demo: .venv/.installed-demo
	$(BIN)/imfcodec demo --overwrite $(if $(CLIP),"$(CLIP)")
