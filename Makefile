VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
REFERENCE := corpora/python-reference.txt

help:  ## what there is to make
	@grep -hE '^[a-z/.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 32

demo: $(INSTALLED) $(REFERENCE)  ## train on real text for two minutes, score, generate
	$(BIN)/rnnlm train $(REFERENCE) --minutes 2 --out demo.rnnlm
	@printf '\nA line that training did not see, and its words in another order:\n'
	$(BIN)/python corpora/permuted_lines.py $(REFERENCE) 1 | $(BIN)/rnnlm score -m demo.rnnlm -f -
	@printf '\nNew text:\n'
	$(BIN)/rnnlm generate -m demo.rnnlm --n 400
	@printf '\nTo use rnnlm in any folder:  source %s/activate\n' "$(CURDIR)/$(BIN)"

shakespeare: $(INSTALLED) corpora/tiny-shakespeare.txt  ## train on Shakespeare for five minutes, then write
	$(BIN)/rnnlm train corpora/tiny-shakespeare.txt --minutes 5 --out shakespeare.rnnlm
	@printf '\nNew lines in the manner of Shakespeare, after the prompt "ROMEO:":\n'
	$(BIN)/rnnlm generate -m shakespeare.rnnlm --n 500 --prompt "ROMEO:"

test: check  ## check, then run the tests
	$(BIN)/pytest

test-slow: $(INSTALLED)  ## the tests that take minutes: chaos, kills, mutations
	$(BIN)/pytest -m slow -o faulthandler_timeout=0

sums: $(INSTALLED)  ## SHA-256 of eight small models: a change that keeps results keeps them
	$(BIN)/python tests/model_sums.py

check: $(INSTALLED)  ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/mypy

corpora: $(REFERENCE)  ## the texts to train on

$(REFERENCE): corpora/python_reference.py $(INSTALLED)
	$(BIN)/python $< > $@.part
	mv $@.part $@

corpora/tiny-shakespeare.txt: corpora/fetch.py $(INSTALLED)  ## a well-known text, from the network
	$(BIN)/python $< tiny-shakespeare

install: $(INSTALLED)  ## a virtual environment with rnnlm in it

$(INSTALLED): pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.PHONY: help demo shakespeare sums test test-slow check corpora install
