# Everything here needs git, make and Python 3.11 or newer; `make help` lists it.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
INSTALL := $(PIP) install --no-deps --no-compile
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
# Bytecode is written for what a start imports, and not for the 15,000 modules that pip would compile. The encoder is
# loaded by way of trial: it says so where only its slow form works, and fails on other weights than the pinned ones.
WARM := ray.serve, ray.dashboard.agent, openai, anthropic, google.genai, psycopg, redis, granian, sentence_transformers

.DEFAULT_GOAL := help
.PHONY: help run setup test check fmt bench chaos lock down

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

run: setup ## everything on this machine, in the foreground [PORT=8000]
	@$(BIN)/polyvox up $(if $(PORT),--port $(PORT))

down: ## end what runs, whoever started it
	@$(BIN)/polyvox down

setup: $(STAMP) ## the environment in .venv, from the lock files [TORCH=cuda]

test: setup check ## what CI runs
	@$(BIN)/python -m pytest

check: setup ## linters, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: setup ## format the code
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

bench: setup ## goals, figures and verdicts [BENCH=unary|streams|auto|...]
	@$(BIN)/python -m tests.bench $(or $(BENCH),all)

chaos: setup ## load and faults: goals, figures and verdicts [CHAOS="m1|meter|kills|latency|conversations|switching"]
	@$(BIN)/python -m tests.chaos $(CHAOS)

lock: ## write requirements.lock anew from pyproject.toml [UPGRADE=1]
	@python3 deployments/local/lock.py $(BIN)/pip-compile $(if $(UPGRADE),--upgrade)

$(STAMP): requirements.lock requirements-torch.lock pyproject.toml
	@set -e; rm -f $@; \
	for python in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	test -n "$$python" || { echo "Python 3.11 or newer is needed: make setup PYTHON=/path/to/python3"; exit 1; }; \
	test -x $(BIN)/python || { echo "environment in $(VENV) ($$($$python --version))"; $$python -m venv $(VENV); }; \
	echo "dependencies from requirements.lock (some 620 MB)"; \
	$(INSTALL) --require-hashes -r requirements.lock
	@$(MAKE) --no-print-directory torch TORCH=$(TORCH)
	@$(INSTALL) --no-build-isolation -e .
	@$(BIN)/python -c 'import $(WARM); from models.encoding import load_encoder; load_encoder()'
	@touch $@

# sentence-transformers needs torch. Plain pip takes a build with CUDA on Linux, 2.7 GB: only when asked to.
.PHONY: torch
torch:
ifeq ($(TORCH),cuda)
	@echo "torch with CUDA (2.7 GB)"; $(PIP) install "$$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' requirements-torch.lock)"
else
	@$(INSTALL) --require-hashes -r requirements-torch.lock 2>/dev/null \
	|| { echo "no CPU build of torch at hand whose hash is in the lock: taking PyTorch's own"; \
	  $(INSTALL) --index-url $(TORCH_CPU_INDEX) \
	    "$$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' requirements-torch.lock)"; } \
	|| { echo "no CPU build of torch can be reached; 'make setup TORCH=cuda' downloads 2.7 GB instead"; exit 1; }
endif
