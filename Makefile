# `make demo` and `make test` set up all they need on a fresh machine; the rest is for daily work.

.PHONY: help setup demo test check format bench figures docs api wheels clean
.DEFAULT_GOAL := help

# Looked up when used: the set-up may just have installed it.
UV = $(shell command -v uv || echo .tools/bin/uv)
RUN = $(UV) run --frozen
SNIPPETS = .mypy_cache/snippets

help:  ## Show these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 16

setup:  ## Install what is missing: uv, libraries, the environment
	@tools/bootstrap
	@$(UV) sync --frozen --quiet

demo: setup  ## Stream a sample over a slow loopback link, then play it again with no server
	@$(RUN) --no-sync python demo/demo.py

test:  ## Run everything that must hold (what CI runs)
	@tools/bootstrap test
	@$(UV) sync --frozen --quiet
	@$(MAKE) --no-print-directory check
	@$(RUN) --no-sync pytest

check: setup  ## Lint, types and layering, in under a minute
	@$(RUN) --no-sync ruff check
	@$(RUN) --no-sync ruff format --check
	@$(RUN) --no-sync mypy packages/*/src demo benchmarks examples tests-integration tools
	@PYTHONPATH=tests-integration $(RUN) --no-sync python tools/snippets.py $(SNIPPETS)
	@$(RUN) --no-sync mypy --allow-untyped-defs --allow-untyped-calls $(SNIPPETS)
	@for tests in packages/*/tests; do $(RUN) --no-sync mypy $$tests || exit 1; done
	@$(RUN) --no-sync lint-imports --no-cache

format: setup  ## Format and sort imports
	@$(RUN) --no-sync ruff check --fix
	@$(RUN) --no-sync ruff format

bench: setup  ## Compare with peers, side by side in one run
	@for script in benchmarks/bench_*.py; do PYTHONPATH=demo $(RUN) --no-sync python "$$script" || exit 1; done

figures: setup  ## Run the comparisons and write their figures into the README and the guide
	@$(RUN) --no-sync python tools/figures.py

docs: setup  ## Build guides and reference into site/
	@$(RUN) --no-sync python -W error tools/site.py site

api: setup  ## Compare the public API with that of the last tag
	@tools/api

wheels: setup  ## Build wheels and sdists of all packages into dist/, and try the decoder's alone
	@rm -rf dist
	@$(RUN) --group wheels python tools/wheels.py dist

clean:  ## Remove the environment and everything that was built
	rm -rf .venv .tools dist site demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find packages -name '*.so' -delete -o -name '*.egg-info' -prune -exec rm -rf {} +
