# `make run` and `make test` set everything up by themselves; see README.md.
PYTHON := .venv/bin/python
OUT ?= tour-out
BENCH_OUT ?= bench-skills-out
.PHONY: run test check setup screenshots bench-skills clean

setup:
	@bash tools/setup.sh

run: setup
	@bash tools/run.sh

test: setup
	$(PYTHON) -m pytest -q

check: setup
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pyright
	.venv/bin/lint-imports
	$(PYTHON) -m pytest -q tests/test_architecture.py

screenshots: setup
	@bash tools/with_display.sh $(PYTHON) main.py screenshots --out docs/screenshots

# Hours; the same again goes on where it was interrupted.
bench-skills: setup
	$(PYTHON) main.py bench skills --resume --out $(BENCH_OUT)

clean:
	rm -rf .venv build dist *.egg-info
