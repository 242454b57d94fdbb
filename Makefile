# Two commands matter: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROJECTS := pyproject.toml $(wildcard adapters/*/pyproject.toml)

.PHONY: setup demo test lint types clean

setup: $(READY)

$(READY): $(PROJECTS) constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --constraint constraints.txt \
	  --editable '.[all]' $(foreach p,$(wildcard adapters/*/pyproject.toml),--editable $(dir $(p))) --group dev
	touch $@

test: setup
	$(BIN)/pytest -n auto

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests docs adapters README.md

types: setup
	$(BIN)/mypy
	$(BIN)/pyright

clean:
	rm -rf $(VENV) .setup
