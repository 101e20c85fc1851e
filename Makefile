# make demo           set everything up, train two models on corpora/, predict
# make test           set everything up, run every check and test
# make test-portable  run the tests with fewer processor instructions, and on one core
# make test-browser   open pages in Chromium, and check them with axe's rules; needs Debian's package chromium
# make faults         run the long versions: kills, power cuts, full disks, damaged files, concurrent runs; trainings of
#                     every family; the sessions of README and docs/ that train networks
# make check          run every check except the tests (pre-commit runs the same)
# make docs           rewrite the generated references
# make man            write man pages to build/man: man -l build/man/lmctl.1
# make site           build the site of docs/ in build/site

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test test-portable test-browser faults check docs man site clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "make needs Python 3.11 to 3.13, for TensorFlow, and $(PYTHON) is $$($(PYTHON) -V 2>&1); set PYTHON=..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	@touch $@

demo: setup
	$(BIN)/lmctl train corpora/zh.txt -o models/demo-zh
	$(BIN)/lmctl train corpora/en.txt -o models/demo-en
	$(BIN)/lmctl predict -m models/demo-zh 编程 今天天气
	$(BIN)/lmctl predict -m models/demo-en "i would like a cup of" "she opened the"

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate_docs --check

# In up to four processes: tests/conftest.py.
test: check
	$(BIN)/python -m pytest -n auto --dist worksteal

test-portable: setup
	$(BIN)/python -m tools.portable

# Of this package only the script of axe is used, not Playwright (165 MB), which it would install.
test-browser: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps axe-playwright-python
	$(BIN)/python -m pytest tests/cli/test_serve_page.py tests/cli/test_accessibility.py tests/serve/test_page.py

faults: setup
	LMCTL_FAULTS=long $(BIN)/python -m pytest -n auto --dist worksteal tests/faults \
	  tests/training/test_checkpoint.py tests/families/contract
	LMCTL_FAULTS=long $(BIN)/python -m pytest -n auto --dist worksteal -m long tests/cli tests/jobs tests/training \
	  tests/families/vae tests/test_sessions.py tests/test_pages.py tests/test_distribution.py

docs: setup
	$(BIN)/python -m tools.generate_docs

man: setup
	$(BIN)/python -m tools.man_pages build/man

# Warnings are errors; among them are links to a page or a heading that does not exist. Nothing is fetched.
site: setup
	$(BIN)/python -m sphinx --fail-on-warning --fresh-env --write-all --quiet docs build/site

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache models
