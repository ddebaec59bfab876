VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
REFERENCE := corpora/python-reference.txt
FIGURES := .github/figures
FIGURE_MODELS := $(patsubst %,build/figures/%.rnnlm,elman-tanh elman-relu gru lstm)
OPTIONS_elman-tanh := --cell elman --nonlinearity tanh
OPTIONS_elman-relu := --cell elman --nonlinearity relu
OPTIONS_gru := --cell gru
OPTIONS_lstm := --cell lstm

help:  ## what there is to make
	@grep -hE '^[a-z/.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 32

demo: $(INSTALLED) $(REFERENCE)  ## train on real text for two minutes, score, generate
	$(BIN)/rnnlm train $(REFERENCE) --minutes 2 --out demo.rnnlm
	@printf '\nA line that training did not see, and its words in another order:\n'
	$(BIN)/python corpora/permuted_lines.py $(REFERENCE) 1 | $(BIN)/rnnlm score -m demo.rnnlm -f -
	@printf '\nNew text:\n'
	$(BIN)/rnnlm generate -m demo.rnnlm --n 400
	@printf '\nThe model as one page:\n'
	tail -n 60 $(REFERENCE) | $(BIN)/rnnlm page -m demo.rnnlm --text - --out demo.html
	@printf 'It needs no network: open demo.html in any browser, or send it to a friend.\n'
	@printf '\nTo use rnnlm in any folder:  source %s/activate\n' "$(CURDIR)/$(BIN)"

figures: $(addprefix $(FIGURES)/,gradient.png context.png page.png)  ## the README's pictures: four networks, trained for two minutes each

$(FIGURES)/%.png: $(FIGURE_MODELS) build/figures/held-out.txt
	mkdir -p $(FIGURES)
	$(BIN)/rnnlm inspect $* build/figures/held-out.txt $(addprefix -m ,$(FIGURE_MODELS)) -o $@

$(FIGURES)/page.png: $(FIGURES)/page.py build/figures/gru.rnnlm build/figures/held-out.txt
	tail -n 60 build/figures/held-out.txt | $(BIN)/rnnlm page -m build/figures/gru.rnnlm --text - --out build/figures/page.html
	$(BIN)/python $< build/figures/page.html $@

build/figures/%.rnnlm: $(INSTALLED) $(REFERENCE)
	mkdir -p build/figures
	$(BIN)/rnnlm train $(REFERENCE) --minutes 2 --restart $(OPTIONS_$*) --out $@

build/figures/held-out.txt: $(INSTALLED) $(REFERENCE)
	mkdir -p build/figures
	tail -n 900 $(REFERENCE) > $@

shakespeare: $(INSTALLED) corpora/tiny-shakespeare.txt  ## train on Shakespeare for five minutes, then write
	$(BIN)/rnnlm train corpora/tiny-shakespeare.txt --minutes 5 --out shakespeare.rnnlm
	@printf '\nNew lines in the manner of Shakespeare, after the prompt "ROMEO:":\n'
	$(BIN)/rnnlm generate -m shakespeare.rnnlm --n 500 --prompt "ROMEO:"

test: check  ## check, then run the tests
	$(BIN)/pytest

test-slow: $(INSTALLED)  ## the tests that take minutes: chaos, kills, mutations, the copy task
	$(BIN)/pytest -m slow -o faulthandler_timeout=0

axe: build/axe/node_modules/axe-core/axe.min.js  ## axe-core, for the tests of the page's accessibility

build/axe/node_modules/axe-core/axe.min.js:
	npm install --silent --no-save --prefix build/axe axe-core@4.11.1

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

.PRECIOUS: build/figures/%.rnnlm

.PHONY: help demo figures shakespeare axe sums test test-slow check corpora install
