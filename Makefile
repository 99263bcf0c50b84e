# Hookline: `make demo` shows it, `make test` tests it. Needs Python 3.11 or newer and nothing else.
.POSIX:
.SUFFIXES:

VENV = .venv
BIN = $(VENV)/bin
# Tests wait as much as they work, so more than the two processors that are reckoned with; proofs hold times against
# bounds, so no more than those. Each process has servers of its own; a file's tests stay together, and the quick ones of
# tests/unit come last.
TEST_PROCESSES = 4
PROOF_PROCESSES = 2
PYTEST = $(BIN)/python -m pytest -q --dist loadfile --no-loadscope-reorder
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '%-14s %s\n' "$$target" "$$text"; done

demo: environment ## send 1,000 signed alerts through the whole pipeline (KEEP=1 leaves it running)
	@if [ "$(KEEP)" = 1 ]; then $(BIN)/hookline demo --keep; else $(BIN)/hookline demo; fi

up: environment ## run the embedded stack in the foreground, for real use
	@$(BIN)/hookline up

test: development ## every test that needs no Docker, but for proofs and soak runs
	@$(PYTEST) -m "not proof and not soak and not docker" -n $(TEST_PROCESSES)

proofs: development ## whole stacks, kill -9, floods, measured times
	@$(PYTEST) -m "proof and not soak and not docker" -n $(PROOF_PROCESSES)

soak: development ## the long, seeded runs: kill -9, rebalances, broker stops
	@$(BIN)/python -m pytest -q -m soak --timeout=3600

check: development ## format, lint, types, imports, sizes, lock files, migrations, openapi, actions, senders, metrics, topics
	@$(BIN)/python tools/check_all.py

bench: development ## measure, beside the floor of the same run
	@$(BIN)/python -m bench

lock: development ## resolve requirements*.in again, with hashes and without addresses
	$(COMPILE) -o requirements.txt requirements.in
	$(COMPILE) -c requirements.txt -o requirements-dev.txt requirements-dev.in
	@$(BIN)/python tools/check_lock.py

clean: ## remove the virtual environment and every cache (data folders stay)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@sh tools/prepare.sh requirements.txt

development:
	@sh tools/prepare.sh requirements-dev.txt

.PHONY: help demo up test proofs soak check bench lock clean environment development
