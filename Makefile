# Every target sets up what it needs: a virtual environment in .venv with the exact versions of constraints.txt.
# All that has to be there is Python 3.11 or newer; uv is used when there is one, since it is faster than pip.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
IN := .venv/bin
READY := .venv/.ready

.PHONY: demo check lint mypy pyright suite test docs pins
.DELETE_ON_ERROR:

demo: $(READY)  ## a running stack with made-up traffic; ARGS="--for 60" and so on
	@$(IN)/claude-telemetry demo $(ARGS)

check: $(READY)  ## everything that has to hold, side by side
	@$(MAKE) --no-print-directory --jobs 4 lint mypy pyright suite

lint: $(READY)
	$(IN)/ruff format --check .
	$(IN)/ruff check .
	$(IN)/lint-imports --no-logo

mypy pyright: $(READY)
	$(IN)/$@

suite: $(READY)  # one process more than small machines have cores: many tests wait for others
	$(IN)/pytest -n 3 --dist loadfile --timeout 150

test: $(READY)  ## one thing: make test ARGS="tests/collector -k landing"
	$(IN)/pytest $(ARGS)

docs: $(READY)  ## the generated reference pages
	$(IN)/python docs/generate.py

pins: $(READY)  ## newest versions into constraints.txt, and into the environments that tests make
	@command -v uv >/dev/null || $(IN)/python -m pip install --quiet uv
	PATH="$$PATH:$(IN)" uv pip compile pyproject.toml --quiet --upgrade --all-extras --group dev --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make pins" -o constraints.txt
	PATH="$$PATH:$(IN)" $(IN)/python -m tests.matrix.pin
	PATH="$$PATH:$(IN)" $(IN)/python -m tests.frameworks.environments

# Two steps, since pip takes hashes for all it installs or for nothing, and a folder has none.
$(READY): pyproject.toml constraints.txt
	@echo "setting up .venv …"
	@if command -v uv >/dev/null; then \
		{ test -x $(IN)/python || uv venv --quiet --python ">=3.11" .venv; } && \
		uv pip install --quiet --python .venv --require-hashes -r constraints.txt && \
		uv pip install --quiet --python .venv --no-deps --no-build-isolation -e .; \
	else \
		test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python"; exit 1; }; \
		{ test -x $(IN)/python || "$(PYTHON)" -m venv .venv; } && \
		{ $(IN)/python -m pip --version >/dev/null 2>&1 || $(IN)/python -m ensurepip >/dev/null; } && \
		$(IN)/python -m pip install --quiet --require-hashes -r constraints.txt && \
		$(IN)/python -m pip install --quiet --no-deps --no-build-isolation -e .; \
	fi
	@touch $@
