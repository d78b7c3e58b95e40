# Everything that a developer or a newcomer types. PY is the environment's Python; `make env` makes it.
SHELL := /bin/bash
export OMP_NUM_THREADS ?= 1
VENV ?= .venv
PY := $(VENV)/bin/python
BASE_PYTHON ?= python3
# Bytecode is compiled once here: every stage is a process of its own and imports it all again.
# uv does not read pip's find-links; give it the same folder. Where there is none, CPU torch comes from PyTorch's index.
FIND_LINKS ?= $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS))
UV_TORCH := $(if $(FIND_LINKS),,--torch-backend cpu)
UV := $(if $(FIND_LINKS),UV_FIND_LINKS="$(FIND_LINKS)") $(VENV)/bin/uv pip
# Ours too: where containers forbid it, every stage's process would compile some hundred files (.8 CPU-seconds of 2.2).
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help env dev lock lock-gpu demo test test-slow manifests-check images test-images lint types format bench study-audit study-collapse study-collection study-gate study-preference study-grpo study-saturation study-sft clean
help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/bin/uv:
	$(BASE_PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check uv

$(VENV)/.env: $(VENV)/bin/uv requirements/cpu.lock pyproject.toml
	$(UV) install -q --no-deps --compile-bytecode $(UV_TORCH) -r requirements/cpu.lock
	$(UV) install -q --no-deps --no-build-isolation -e .
	@touch $@

# lmms-eval checks our suites' scores; axe-playwright-python brings axe-core, which checks our pages for everybody's use. Both are
# installed without what they ask for, which would not fit beside ours or is not used.
$(VENV)/.dev: $(VENV)/.env requirements/dev.lock requirements/crosscheck.txt
	$(UV) install -q --no-deps --compile-bytecode $(UV_TORCH) -r requirements/dev.lock
	$(UV) install -q --no-deps -r requirements/crosscheck.txt
	@touch $@

env: $(VENV)/.env  ## create the environment (about 3 GB)
dev: $(VENV)/.dev  ## the same, with test and lint tools

demo: $(VENV)/.env  ## three rounds of self-improvement with controls and a report, in demo/
	$(VENV)/bin/ratchet demo --out demo

test: $(VENV)/.dev  ## the default tests
	$(PY) -m pytest -q -n 2 -m "not slow"

# Only files that mark a test are imported; those with whole rounds, kills and vLLM come first and the many short ones last, for
# two workers to end together. xdist would put the files with the most tests first.
SLOW = $$(for place in e2e unit/train unit/report unit contract; do grep -rl 'mark\.slow' --include='test_*.py' tests/$$place | sort; done | awk '!seen[$$0]++')
test-slow: $(VENV)/.dev  ## the long ones: whole rounds under kfp.local, kills, races, a browser
	$(PY) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "slow and not images" $(SLOW)

# checkov pins half of its dependencies otherwise than we do.
.tools/checkov/.done: requirements/checkov.txt $(VENV)/bin/uv
	$(BASE_PYTHON) -m venv .tools/checkov
	UV_FIND_LINKS="$(FIND_LINKS)" $(VENV)/bin/uv pip install -q --python .tools/checkov/bin/python -r requirements/checkov.txt
	@touch $@

manifests-check: $(VENV)/.dev .tools/checkov/.done  ## render every overlay; schemas of three Kubernetes versions, CRDs, checkov, rights
	RATCHET_CHECKOV=.tools/checkov/bin/checkov $(PY) -m pytest -q tests/contract/test_manifests*.py tests/contract/test_trainjob_manifests.py

images:  ## build the images with docker or podman: make images ARGS="--registry ghcr.io/you --push" (--help says more)
	$(BASE_PYTHON) Dockerfiles/build.py $(ARGS)

test-images: $(VENV)/.dev  ## build the images on a Docker daemon of its own (as root on Debian) or on DOCKER_HOST's, and test them
	$(PY) -m tests.images $(ARGS)

lint: $(VENV)/.dev  ## ruff and strict typing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

types: $(VENV)/.dev
	$(VENV)/bin/mypy

format: $(VENV)/.dev  ## let ruff format everything
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.dev  ## ratios against bare scripts, to bench/results.json
	$(PY) -m bench

study-collection: $(VENV)/.env  ## what each recipe collects on the tiny world: the table of docs/collection.md
	$(PY) -m ratchet.tinyworld.collected

study-gate: $(VENV)/.env  ## 10,000 loops of 50 rounds through the shipped gate, fixed and fresh items: the tables of docs/gate.md
	$(VENV)/bin/ratchet gate simulate --loops 10000 --rounds 50 --workers 2 --out build/study-gate.json

study-collapse: $(VENV)/.env  ## a loop of majority votes with its alarms on and off: the tables of docs/alarms.md
	$(PY) -m ratchet.tinyworld.collapse

study-preference: $(VENV)/.env  ## a round each of DPO, mDPO and KTO from the same answers: gain, and how much the picture counts
	$(PY) -m ratchet.tinyworld.preferences

study-audit: $(VENV)/.env  ## every verifier measured on the tiny world: the table of docs/organisation.md
	$(PY) -m ratchet.tinyworld.audited

study-sft: $(VENV)/.env  ## where a second round of SFT begins and in which order it learns
	$(PY) -m ratchet.tinyworld.sft_study

study-grpo: $(VENV)/.env  ## GRPO on the tiny world: 17 configurations and 2 controls x 3 seeds x 600 CPU-seconds (10 hours; it goes on where it stopped)
	$(PY) -m ratchet.tinyworld.grpo --out build/study-grpo

study-saturation: $(VENV)/.env  ## a round of self-training against the seed's labels again
	$(PY) -m ratchet.tinyworld.study --splits validation report

# dev holds all the others: it is solved first and binds them, so that every set has the same versions.
lock: $(VENV)/bin/uv  ## compile the requirement locks again
	rm -f requirements/{dev,inference,cpu,core,images}.lock
	for set in dev inference cpu core images; do \
	  $(UV) compile -q --no-header --no-annotate --python-version 3.11 --overrides requirements/overrides.txt \
	    $$([ $$set = dev ] || echo -c requirements/dev.lock) requirements/$$set.in -o requirements/$$set.lock || exit 1; \
	done; sed -i 's/^\(torch==[0-9.]*\)+cpu$$/\1/' requirements/*.lock

# For x86-64 Linux, from the public index: torch there is CUDA's build. core.lock binds it; vLLM chooses torch.
lock-gpu: $(VENV)/bin/uv  ## compile the GPU images' locks again (minutes)
	rm -f requirements/gpu-*.lock
	for set in inference training; do \
	  env -u UV_FIND_LINKS $(VENV)/bin/uv pip compile -q --no-header --no-annotate --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	    -c requirements/core.lock $$([ $$set = inference ] || echo -c requirements/gpu-inference.lock) \
	    requirements/gpu-$$set.in -o requirements/gpu-$$set.lock || exit 1; \
	done

clean:  ## remove the demo and the caches; the environment stays
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache build *.egg-info
