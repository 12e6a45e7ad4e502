"""A program: asks one engine what the tests of the model want to know, beside lm-eval's own model; prints JSON."""

import json
import os
import random
import sys
from types import SimpleNamespace
from typing import Any

from lm_eval.models.vllm_causallms import VLLM

from openbook_eval import models
from openbook_eval.errors import OpenbookError
from openbook_eval.exams import load_exam
from openbook_eval.matching.matcher import ASKED_AGAIN
from openbook_eval.models.vllm import Cost, VllmOpenbook
from openbook_eval.prompt import build_prompt
from openbook_eval.types import Book

GREEDY = {"until": ["<|im_end|>"], "max_gen_toks": 12, "do_sample": False}
QUESTIONS = load_exam("mini").questions[:60]
PROMPTS = [build_prompt(question, Book.of(question)) for question in QUESTIONS]
WORDS = ["请只根据材料回答", "不做任何分析和解释", "正确选项的字母", "患者", "治疗", "用药", "成人", "检查"]
# A book has about 600 tokens; the cache holds 80 blocks of 32, which is less than two prompts with their answers.
BLOCKS = 80


def request(*arguments: Any) -> Any:
    return SimpleNamespace(args=arguments, task_name="test")


def cost_of(model: VllmOpenbook, requests: list[Any]) -> dict[str, Any]:
    model.cost = Cost("float32", False)
    model.generate_until(requests, disable_tqdm=True)
    return model.cost.to_json()


def generated(model: VllmOpenbook) -> dict[str, Any]:
    requests = [request(prompt, GREEDY) for prompt in PROMPTS]
    twice = [requests[0], *requests, requests[3]]
    cost = cost_of(model, twice)
    again = cost_of(model, twice)
    ours, theirs = model.generate_until(twice, True), VLLM.generate_until(model, twice, True)
    return {"ours": ours, "theirs": theirs, "cost": cost, "again": again}


def ranked(model: VllmOpenbook) -> dict[str, Any]:
    asked = zip(PROMPTS, QUESTIONS, strict=True)
    pairs = [(prompt, letter) for prompt, question in asked for letter in question.options]
    chats = [(model.apply_chat_template([{"role": "user", "content": prompt}]), letter) for prompt, letter in pairs]
    others = [("你好 ", "世界 很大"), ("你好 ", "世界"), ("", "世界"), ("a b", " c d e"), ("a b", " c d e")]
    found: dict[str, Any] = {}
    for name, texts in {"plain": pairs, "chat": chats, "others": others}.items():
        requests = [request(*text) for text in texts]
        model.cost = Cost("float32", False)
        ours = model.loglikelihood(requests, True)
        found[name] = {"ours": ours, "cost": model.cost.to_json()}
        found[name]["theirs"] = VLLM.loglikelihood(model, requests, True)
    return found


def asked_again(model: VllmOpenbook) -> dict[str, Any]:
    """What is written behind words of no question, which no rule decides, and the letters ranked by lm-eval's model."""
    doc, models.ask_again = QUESTIONS[0].to_doc(), True
    asked = SimpleNamespace(args=("，".join(WORDS), {"max_gen_toks": 8, "do_sample": False}), task_name="t", doc=doc)
    model.think_end_token = None
    (response,) = model.generate_until([asked], True)
    behind = f"{asked.args[0]}{response}\n{ASKED_AGAIN}"
    theirs = VLLM.loglikelihood(model, [request(behind, letter) for letter in QUESTIONS[0].options], True)
    model.think_end_token = "</think>"  # noqa: S105
    (thinking,) = model.generate_until([asked], True)
    model.think_end_token, models.ask_again = None, False
    found = {"response": response, "ours": list((getattr(response, "logprobs", None) or {}).values())}
    return found | {"theirs": [value for value, _ in theirs], "cut_off": getattr(thinking, "cut_off", False)}


def small_cache(model: VllmOpenbook) -> dict[str, Any]:
    """Eight books under 15 questions each, in turn; answers as long as the questions are."""
    draw = random.Random(0)  # noqa: S311
    books = [f"【材料】\n{n}" + "，".join(draw.choices(WORDS, k=330)) + "\n\n【要求】\n" for n in range(8)]
    prompts = [books[n % 8] + "，".join(draw.choices(WORDS, k=20)) for n in range(120)]
    return cost_of(model, [request(prompt, {"max_gen_toks": 48, "do_sample": False}) for prompt in prompts])


def sampled(model: VllmOpenbook) -> dict[str, Any]:
    # No question of the exam: there the tiny model knows what to say.
    asked, open_end = {"max_gen_toks": 8, "do_sample": True, "temperature": 2.0}, "，".join(WORDS)
    three = [request(open_end, asked)] * 3
    first, cost = model.generate_until(three, True), cost_of(model, three)
    alone = model.generate_until([request(PROMPTS[1], asked), request(open_end, asked)], True)
    return {"first": first, "kept": cost["kept"], "alone": alone[1]}


def refused(model: VllmOpenbook) -> str:
    try:
        model.generate_until([request(PROMPTS[0], GREEDY), request("字" * 3000, GREEDY)], True)
    except OpenbookError as error:
        return str(error)
    return "nothing"


def lines(_: VllmOpenbook) -> list[str]:
    kinds = [("float32", False), ("bfloat16", True), ("bfloat16", False)]
    return [Cost(dtype, invariant, kept=3).line() for dtype, invariant in kinds]


def main() -> None:
    folder, answers = sys.argv[1:]
    os.environ["OPENBOOK_CACHE"] = answers
    settings = {"max_model_len": 2048, "enforce_eager": True, "dtype": "float32", "num_gpu_blocks_override": BLOCKS}
    model = VllmOpenbook(folder, **settings)
    parts = (generated, ranked, asked_again, small_cache, sampled, refused, lines)
    print(json.dumps({part.__name__: part(model) for part in parts}))


if __name__ == "__main__":
    main()
