"""The examinee as it begins: a Qwen2 of some million weights that looks for its like.

What lets so small a model begin to read within minutes is where it begins: in the first two layers queries and keys are
the same random projection, so that a token looks for the same token before it ("mimetic initialisation", Trockman and
Kolter 2023, arXiv:2305.09828, there of pictures).
"""

import math
from typing import Any

from openbook_eval.examinee.learning.characters import END, END_OF_TEXT, tokenizer

# Head size 32 is the smallest that vLLM's attention takes on CPU; 32,768 positions are Qwen1.5's.
ARCHITECTURE: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 352,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32768,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
}
_ALIKE = 2
_EMBEDDINGS = 0.08


def new_model(seed: int) -> Any:
    """The model before its first lesson, on the CPU."""
    import torch
    from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

    words = tokenizer()
    ends = words.convert_tokens_to_ids([END, END_OF_TEXT])
    config = Qwen2Config(vocab_size=len(words), eos_token_id=ends[0], pad_token_id=ends[1], **ARCHITECTURE)
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=ends[1])
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(0, _EMBEDDINGS)
        for layer in model.model.layers[:_ALIKE]:
            attention = layer.self_attn
            attention.k_proj.weight.normal_(0, 1 / math.sqrt(config.hidden_size))
            attention.q_proj.weight.copy_(attention.k_proj.weight)
            attention.q_proj.bias.zero_()
            attention.k_proj.bias.zero_()
    return model
