# Two commands matter: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WEB := examples/web
PAGE := $(WEB)/dist/index.html
ADAPTERS := $(wildcard adapters/*/pyproject.toml)
LITELLM := .venv-litellm
LITELLM_READY := $(LITELLM)/.ready
NPM := npm --no-audit --no-fund --loglevel=error

.PHONY: setup demo test lint types interop browser bench bench-peers clean

demo: $(READY) $(PAGE)
	$(BIN)/chat-transport demo --port $(PORT)

test: $(READY) $(LITELLM_READY)
	$(BIN)/pytest -n auto --dist loadfile -m "not interop and not browser"
	$(LITELLM)/bin/python -m pytest -n auto --dist loadfile adapters/litellm adapters/openai

setup: $(READY) $(PAGE) $(LITELLM_READY)

$(READY): pyproject.toml constraints.txt $(ADAPTERS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --constraint constraints.txt \
	  --editable '.[all]' $(foreach p,$(ADAPTERS),--editable $(dir $(p))) --group dev
	touch $@

# litellm wants openai 2, which the OpenAI adapter knows too: both are tested there as well.
$(LITELLM_READY): $(READY) constraints-litellm.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(LITELLM)
	VIRTUAL_ENV=$(CURDIR)/$(LITELLM) $(BIN)/uv pip install --quiet \
	  --constraint constraints-litellm.txt --editable . --editable adapters/openai \
	  --editable 'adapters/litellm[sdk]' pytest pytest-timeout pytest-xdist trio
	touch $@

$(WEB)/node_modules/.ready: $(WEB)/package.json $(WEB)/package-lock.json
	cd $(WEB) && $(NPM) ci
	touch $@

$(PAGE): $(WEB)/node_modules/.ready $(wildcard $(WEB)/src/*) $(WEB)/build.mjs
	cd $(WEB) && node build.mjs
	touch $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests docs adapters examples README.md CHANGELOG.md

types: $(READY)
	$(BIN)/mypy
	$(BIN)/pyright

# The real npm packages as peers. Node 22, which some of them ask for, comes from npm too.
interop: $(READY)
	$(BIN)/pytest -m interop

# A real browser drives the page. Chromium is found, or installed from Debian's packages.
browser: $(READY) $(PAGE)
	command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq chromium)
	$(BIN)/pytest -m browser

# What it costs, beside json.dumps, pydantic-ai, queues and raw ASGI, in one run. Numbers are ratios:
# only those of one run may be compared.
bench: $(READY) bench-peers
	for each in chunk_path hand_over ably_codec ably_stop http_server http_capacity http_readers \
	  http_client durable provider_boundary; do \
	  echo; echo "== $$each"; $(BIN)/python tests/benchmarks/$$each.py || exit 1; done

# Peers that cannot live beside the others: litellm, and Vercel's `ai`, which asks for Python 3.12.
# Where one cannot be had, the benchmark says that it is absent.
PYTHON312 ?= $(shell for each in python3.12 python3.13 ~/.pyenv/versions/3.1[23].*/bin/python; do \
  $$each -c "" 2>/dev/null && echo $$each && break; done || echo 3.12)
VERCEL := .venv-vercel

bench-peers: $(READY) $(LITELLM_READY)
	$(BIN)/uv pip install --quiet --python $(LITELLM) --constraint constraints.txt uvloop
	-test -x $(VERCEL)/bin/python || ($(BIN)/uv venv --quiet --python $(PYTHON312) $(VERCEL) && \
	  $(BIN)/uv pip install --quiet --python $(VERCEL) uvloop 'ai[openai]')

clean:
	rm -rf $(VENV) $(LITELLM) $(VERCEL) $(WEB)/node_modules $(WEB)/dist
