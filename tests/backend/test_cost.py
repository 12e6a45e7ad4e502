"""What a run cost: sums, the line for the terminal, the part of the results file."""

from openbook_eval.backend.cost import Cost, spend, spent

ONE = Cost(
    prompts=2,
    kept=1,
    prompt_tokens=3000,
    computed_tokens=1700,
    least_tokens=1600,
    least_block_tokens=1650,
    generated_tokens=10,
    engine_seconds=1.5,
    other_seconds=0.5,
)


def test_costs_add_up_field_by_field() -> None:
    assert Cost(4, 2, 6000, 3400, 3200, 3300, 20, 3.0, 1.0) == ONE + ONE
    assert ONE + Cost() == ONE


def test_what_was_spent_is_told_once() -> None:
    assert spent() is None
    spend(ONE)
    spend(Cost(kept=5))
    assert spent() == ONE + Cost(kept=5)
    assert spent() is None


def test_tokens_per_second_are_of_prompts_and_answers_over_all_time() -> None:
    assert ONE.tokens_per_second == 1505.0
    assert Cost(kept=3, other_seconds=1.0).tokens_per_second is None


def test_the_results_file_has_every_figure() -> None:
    assert ONE.to_json() == {
        "prompts": 2,
        "kept": 1,
        "prompt_tokens": 3000,
        "computed_tokens": 1700,
        "least_tokens": 1600,
        "least_block_tokens": 1650,
        "generated_tokens": 10,
        "engine_seconds": 1.5,
        "other_seconds": 0.5,
        "tokens_per_second": 1505.0,
    }


def test_the_terminal_gets_one_line() -> None:
    assert ONE.line() == (
        "cost: 2 prompts of 3,000 tokens (and 1 answered from the journal); 1,700 computed (1,600 at least, 1,650 in "
        "whole blocks), 10 generated; 1.5 s in the engine, 0.5 s outside; 1,505 tokens/s"
    )
    assert Cost(kept=3).line() == "cost: 0 prompts of 0 tokens (and 3 answered from the journal)"
