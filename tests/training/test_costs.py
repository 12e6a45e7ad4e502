"""What a training is said to need follows from its formulas, and its adapters have the size that peft makes them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.models.profiles import Size, profile, profiles
from openbook_eval.training.cells import Cell, Mix, cells
from openbook_eval.training.costs import Costs, costs, lora_parameters, multiplied, tokens_a_row
from openbook_eval.training.settings import settings

CELLS = {cell.name: cell for cell in cells()}
ON_GPU = {name: cell for name, cell in CELLS.items() if cell.size}


def need(cell: Cell, **changes: Any) -> Costs:
    assert cell.size is not None
    return costs(cell.size, cell.mix, replace(settings(cell), **changes))


def test_the_costs_of_qwen_7b_and_an_adapter_are_those_worked_out_by_hand() -> None:
    found = need(CELLS["qwen7b_mix41"])
    # Twice 100,000 rows, of 74 tokens if general (4 of 5), 124 if medical, and 20 of the template.
    assert found.tokens == pytest.approx(2 * 100_000 * (0.8 * 74 + 0.2 * 124 + 20)) == pytest.approx(20.8e6)
    multiplied_by_hand = 7_721_324_544 - 151_936 * 4096
    adapter = 32 * 2 * 8 * (4096 + 4096)
    # Forward, gradient of the activations, forward again; gradient of the adapter; attention over half of 2,048 tokens.
    flops = 6 * multiplied_by_hand + 2 * adapter + 12 * 32 * 4096 * 1024
    assert flops == 44_212_969_472
    assert found.hours == pytest.approx(20.8e6 * flops / (0.4 * 312e12) / 3600) == pytest.approx(2.047, abs=1e-3)
    # Weights, the adapter's training, activations of 4 texts, and the logits of each of their tokens.
    memory = 2 * 7_721_324_544 + 12 * adapter + 8192 * 4096 * (2 * 32 + 34) + 10 * 8192 * 151_936
    assert found.memory == pytest.approx(memory / 1e9) == pytest.approx(31.23, abs=0.01)


def test_all_weights_of_7b_cost_their_gradients_and_moments() -> None:
    full = need(CELLS["qwen7b_mix41"].with_all_weights())
    # 2 bytes a weight and 6 of training; activations and logits of one text.
    memory = 8 * 7_721_324_544 + 2048 * 4096 * (2 * 32 + 34) + 10 * 2048 * 151_936
    assert full.memory == pytest.approx(memory / 1e9) == pytest.approx(65.70, abs=0.01)
    assert need(CELLS["qwen14b_mix41"].with_all_weights()).memory > 80


@pytest.mark.parametrize("name", ON_GPU)
def test_every_adapter_is_trained_on_one_card_of_80_gb(name: str) -> None:
    assert need(ON_GPU[name]).memory < 80


@given(st.sampled_from(list(ON_GPU.values())), st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 1))
def test_more_rows_cost_more_hours_in_proportion_and_the_same_memory(
    cell: Cell, rows: int, more: int, medical: float
) -> None:
    assert cell.size is not None
    small, large = (
        costs(cell.size, replace(cell.mix, rows=count, medical=medical), settings(cell))
        for count in (rows, rows + more)
    )
    assert small.hours < large.hours == pytest.approx(small.hours * (rows + more) / rows)
    assert small.memory == large.memory


@given(st.sampled_from(list(ON_GPU.values())))
def test_all_weights_cost_more_than_an_adapter_and_twice_the_epochs_twice_the_hours(cell: Cell) -> None:
    assert need(cell, method="full").hours > need(cell).hours
    assert need(cell, method="full").memory > need(cell).memory
    assert need(cell, epochs=4).hours == pytest.approx(2 * need(cell).hours)


@pytest.mark.parametrize(("medical", "tokens"), [(0.0, 94), (0.5, 119), (1.0, 144)])
def test_medical_rows_are_longer_than_general_ones(medical: float, tokens: int) -> None:
    assert tokens_a_row(Mix("any", "paper", 1, medical, "")) == tokens


def test_a_table_of_embeddings_counts_where_it_makes_the_logits_as_well() -> None:
    bloom, qwen = profile("pulse").sizes["7b"], profile("qwen1.5-chat").sizes["7b"]
    assert multiplied(bloom) == bloom.parameters
    assert multiplied(qwen) == qwen.parameters - qwen.vocabulary * qwen.hidden


# Architectures that transformers has; the others' code comes from the hub.
NATIVE = {
    f"{family.name}-{name}": size
    for family in profiles().values()
    for name, size in family.sizes.items()
    if size.architecture in ("Qwen2ForCausalLM", "BloomForCausalLM")
}


def model_of(size: Size) -> Any:
    """The model, without its numbers: of shapes alone."""
    import torch
    from transformers import AutoModelForCausalLM, BloomConfig, Qwen2Config

    if size.architecture == "BloomForCausalLM":
        config: Any = BloomConfig(
            vocab_size=size.vocabulary, hidden_size=size.hidden, n_layer=size.layers, n_head=size.heads
        )
    else:
        config = Qwen2Config(
            vocab_size=size.vocabulary,
            hidden_size=size.hidden,
            intermediate_size=size.intermediate,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            num_key_value_heads=size.kv_heads,
            tie_word_embeddings=size.tied_embeddings,
        )
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def adapter_of(model: Any, modules: tuple[str, ...], rank: int) -> int:
    """Parameters of the adapter that peft makes."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, target_modules=list(modules), task_type="CAUSAL_LM")
    trainable, _ = get_peft_model(model, config).get_nb_trainable_parameters()
    return int(trainable)


@pytest.mark.parametrize("name", NATIVE)
def test_an_adapter_has_as_many_parameters_as_peft_makes_it(name: str) -> None:
    size = NATIVE[name]
    (how, *_) = (settings(cell) for cell in CELLS.values() if cell.size == size)
    model = model_of(size)
    assert model.num_parameters() == size.parameters
    assert adapter_of(model, how.lora_modules, how.lora_r) == lora_parameters(size, how)


def test_keys_and_values_of_fewer_heads_have_narrower_adapters() -> None:
    size = (
        profile("qwen1.5-chat")
        .sizes["7b"]
        .model_copy(
            update={"layers": 2, "hidden": 64, "intermediate": 96, "heads": 8, "kv_heads": 2, "vocabulary": 100}
        )
    )
    how = replace(settings(CELLS["qwen7b_mix41"]), lora_r=4, lora_modules=("q_proj", "k_proj", "v_proj"))
    assert lora_parameters(size, how) == 2 * 4 * ((64 + 64) + 2 * (64 + 16))
    assert adapter_of(model_of(size), how.lora_modules, how.lora_r) == lora_parameters(size, how)
