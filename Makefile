# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
THREADS ?= 2

.PHONY: demo test quick lint size bench clean

demo: $(VENV)/.installed  ## train a GPT on Shakespeare for about two minutes, then sample from it
	$(BIN)/andon train gpt --data shakespeare
	$(BIN)/andon generate runs/latest

test: $(VENV)/.tested lint  ## the whole suite
	$(BIN)/python -m pytest -n $(THREADS)

quick: $(VENV)/.tested  ## what fits into a minute
	$(BIN)/python -m pytest -n $(THREADS) -m "not slow"

lint: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

size: $(VENV)/.installed  ## lines and tokens per line, by layer
	$(BIN)/python tools/size.py

bench: $(VENV)/.tested  ## us and the peers, alternating
	$(BIN)/python -m benchmarks

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[plot,text]"
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
