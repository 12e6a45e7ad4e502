"""What `benchmarks.backend` runs in processes of their own: one model answers or ranks, or all but the engine's work.

python -m benchmarks.backend_parts SPEC.json FIGURES.json
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.overhead import peak_megabytes
from openbook_eval.models.scheduling import least, order

THEIRS, OURS = "vllm", "vllm-openbook"
ANSWER, RANK, OUTSIDE = PARTS = ("answer", "rank", "outside")
LETTERS = "ABCDE"
# Letters and the end of the turn, as of a model that answers as it is told.
ANSWER_TOKENS = 8


def prompts_of(exam: str, characters: int, books: int | None, questions: int) -> list[str]:
    """Prompts of the reading exam's libraries: of each of the first `books` as many, or of all books that there are."""
    from openbook_eval import task_functions
    from openbook_eval.types import SIX_EXAMS

    found: dict[str, list[str]] = {}
    for part in SIX_EXAMS:
        for doc in task_functions.docs(f"reading_library_{characters // 1000}k", part, exam=exam)["test"]:
            found.setdefault(doc["book"], []).append(task_functions.prompt(doc))
        if books and len(found) >= books:
            break
    each = -(-questions // books) if books else questions
    return [prompt for some in list(found.values())[:books] for prompt in some[:each]][:questions]


def load(name: str, model: str, length: int, cache_tokens: int, block: int | None) -> Any:
    """A model of lm-eval, with a cache of so many tokens; ours in blocks of `block`, where that is given."""
    from lm_eval.models.vllm_causallms import VLLM
    from vllm.platforms import current_platform

    from openbook_eval.models.vllm import VllmOpenbook

    class Counted(VLLM):  # type: ignore[misc]
        """Counts the prompts' tokens that lm-eval's own model computes."""

        computed = 0

        def _model_generate(self, *arguments: Any, **settings: Any) -> Any:
            outputs = super()._model_generate(*arguments, **settings)
            self.computed += sum(len(one.prompt_token_ids) - (one.num_cached_tokens or 0) for one in outputs)
            return outputs

    on_cpu = current_platform.is_cpu()
    # Those that each takes unless told.
    usual = (128 if name == THEIRS else 32) if on_cpu else 16
    size = block if block and name == OURS else usual
    return (Counted if name == THEIRS else VllmOpenbook)(
        model,
        max_model_len=length,
        block_size=size,
        # vLLM keeps one block for itself.
        num_gpu_blocks_override=math.ceil(cache_tokens / size) + 1,
        batch_size="auto",
        dtype="float32" if on_cpu else "bfloat16",
        enforce_eager=on_cpu,
    )


def ask(spec: dict[str, Any]) -> dict[str, Any]:
    """Has one model answer or rank the prompts; what it took, and the answers."""
    from lm_eval.api.instance import Instance

    from openbook_eval.models import reports

    texts = json.loads(Path(spec["prompts"]).read_text(encoding="utf-8"))
    model = load(spec["name"], spec["model"], spec["length"], spec["cache"], spec["block"])
    generation = {"until": ["<|im_end|>"], "do_sample": False, "max_gen_toks": ANSWER_TOKENS}
    ranking = spec["part"] == RANK
    arguments = (
        [(text, letter) for text in texts for letter in LETTERS] if ranking else [(t, generation) for t in texts]
    )
    kind = "loglikelihood" if ranking else "generate_until"
    requests = [Instance(kind, {}, argument, place) for place, argument in enumerate(arguments)]
    started = time.perf_counter()
    answers: Any = getattr(model, kind)(requests, disable_tqdm=True)
    seconds = time.perf_counter() - started
    if ranking:
        chances = np.array([chance for chance, _ in answers]).reshape(-1, len(LETTERS))
        answers = [LETTERS[best] for best in chances.argmax(axis=1)]
    cost = reports.get("cost")
    if cost is None:
        return {"seconds": seconds, "answers": answers, "computed": model.computed}
    counted = {"computed": cost.computed_tokens, "blocks": cost.least_block_tokens, "outside": cost.other_seconds}
    return {"seconds": seconds, "answers": answers, **counted}


def prepare(spec: dict[str, Any]) -> dict[str, Any]:
    """Does what is done outside the engine, from the prompts' texts to their order: seconds, tokens, peak memory."""
    from transformers import AutoTokenizer

    from openbook_eval.models.scheduling import Prompt, encode

    texts = prompts_of(spec["exam"], spec["characters"], None, spec["questions"])
    tokenizer = AutoTokenizer.from_pretrained(spec["model"])
    before, started = peak_megabytes(), time.perf_counter()
    prompts = encode(texts, tokenizer, first=tokenizer.bos_token, special=True)
    tokenised = time.perf_counter()
    asked = [Prompt(ids, {"max_tokens": ANSWER_TOKENS}) for ids in prompts]
    least_tokens = least([prompts[place] for place in order([one.tokens for one in asked])])
    ended = time.perf_counter()
    return {
        "questions": len(texts),
        "tokens": sum(map(len, prompts)),
        "least": least_tokens,
        "tokenising": tokenised - started,
        "ordering": ended - tokenised,
        "before": before,
        "megabytes": peak_megabytes(),
    }


def main() -> None:
    """Runs the part that a file specifies and writes its figures to another."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    figures = prepare(spec) if spec["part"] == OUTSIDE else ask(spec)
    Path(sys.argv[2]).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
