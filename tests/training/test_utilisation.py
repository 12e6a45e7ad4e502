"""FLOPs of a token and peaks of cards, against figures worked out by hand."""

import pytest

from openbook_eval.training.utilisation import flops_per_token, peak_flops, utilisation


def test_a_full_fine_tune_costs_six_flops_a_parameter() -> None:
    assert flops_per_token(7_000_000_000, 7_000_000_000) == 42e9


def test_lora_saves_the_gradient_of_the_frozen_weights() -> None:
    assert flops_per_token(7_010_000_000, 10_000_000) == 4 * 7.01e9 + 2 * 0.01e9


def test_attention_costs_twelve_flops_a_layer_a_channel_and_a_token_that_is_seen() -> None:
    # Qwen1.5-7B on 2,048 tokens: 12 * 32 * 4096 * 2048.
    assert flops_per_token(0, 0, layers=32, attention_width=4096, length=2048) == 3_221_225_472


def test_palm_s_own_utilisation_comes_out() -> None:
    """Chowdhery et al. 2022, appendix B and table 3: PaLM 540B, 238,300 tokens a second on 6,144 TPU v4, 46.2 %."""
    flops = flops_per_token(540_000_000_000, 540_000_000_000, layers=118, attention_width=48 * 256, length=2048)
    assert 238_300 * flops / (6144 * 275e12) == pytest.approx(0.462, abs=0.002)


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A100 80GB PCIe", 312e12),
        ("NVIDIA A800-SXM4-80GB", 312e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA H800", 989e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA H20", 148e12),
        ("NVIDIA B200", 2250e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L40", 181e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA A10G", None),
        ("NVIDIA GeForce RTX 4090", None),
        ("cpu", None),
    ],
)
def test_the_peak_of_a_card_is_found_by_its_name(device: str, peak: float | None) -> None:
    assert peak_flops(device) == peak


def test_utilisation_is_what_was_done_by_what_all_cards_could_do() -> None:
    assert utilisation(312e12 / 42e9, 42e9, "NVIDIA A100-SXM4-80GB", 2) == pytest.approx(0.5)
    assert utilisation(1000.0, 42e9, "cpu", 1) is None
