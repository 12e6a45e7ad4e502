"""Train the bundled tiny model from scratch, on samples that tools/tiny_model_samples.py makes.

`python -m tools.train_tiny_model --out FOLDER` trains it; the same command resumes a run that was cut off. The model's
card (openbook_eval/tiny_model_files/README.md) holds its settings and scores.

The curriculum goes from short bare texts with two options to the exam's own prompts: a model of this size that starts
with long prompts and all kinds of samples learns nothing for hundreds of steps, as looking a text up has to come first,
on texts so short that chance finds it.
"""

import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any

import typer

from openbook_eval.console import run_program
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.tiny_model import tiny_model_dir
from tools.tiny_model_samples import STAGES, TrainingSample, samples

Batch = dict[str, Any]

# The share of right first tokens at which a stage is mastered, and the steps that it takes at least.
_MASTERED, _AT_LEAST = 0.93, 100


@cache
def tokenizer() -> Any:
    """Return the bundled tokenizer; a character is one token, so that looking up works character by character."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model_dir())


def make_batch(drawn: Sequence[tuple[TrainingSample, bool]]) -> Batch:
    """Return samples, each with whether it is asked as a chat, as the tensors of a step.

    tokens: (samples, longest) whole texts, padded with zeros behind; rows, places, answers: (answer tokens) where each
    is predicted, and its id; firsts: (answer tokens) whether it is the first of its answer; span_rows, span_places,
    stated: (characters of options) whether the book states the option, 1 or 0.
    """
    import torch

    texts, answers, stated = [], [], []
    for row, (sample, chat) in enumerate(drawn):
        head, tail = ("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n") if chat else ("", "")
        parts = [head, head + sample.prompt + tail, f"{sample.answer}<|im_end|>"]
        before_prompt, before, answer = tokenizer()(parts)["input_ids"]
        texts.append([*before, *answer])
        answers += [(row, len(before) - 1 + n, token, n == 0) for n, token in enumerate(answer)]
        places = [(len(before_prompt) + at, yes) for one, end, yes in sample.spans for at in range(one, end)]
        stated += [(row, *each) for each in places]
    longest = max(map(len, texts))
    batch = {"tokens": torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts])}
    batch |= zip(("rows", "places", "answers", "firsts"), torch.tensor(answers).reshape(-1, 4).T, strict=True)
    batch |= zip(("span_rows", "span_places", "stated"), torch.tensor(stated).reshape(-1, 3).T, strict=True)
    return {**batch, "firsts": batch["firsts"].bool(), "stated": batch["stated"].float()}


@dataclass(frozen=True, slots=True)
class StageBatches:
    """The batches of a stage by step, as a data set whose batches torch's loader makes ahead in worker processes."""

    seed: int
    stage: int
    times: int

    def __getitem__(self, step: int) -> Batch:
        """Return the batch of a step."""
        stage = STAGES[self.stage]
        return make_batch(samples(f"{self.seed} {self.stage} {step}", stage, stage.batch * self.times))


def new_model(seed: int) -> Any:
    """Return the model before its first step, on the CPU.

    In the first two layers queries and keys are the same random projection, so that a token attends to the same token
    before it. This start ("mimetic initialisation", Trockman and Kolter 2023, arXiv:2305.09828, there for images) is
    what lets so small a model learn to read within minutes.
    """
    import torch
    from transformers import AutoConfig, GenerationConfig, Qwen2ForCausalLM

    config = AutoConfig.from_pretrained(tiny_model_dir())
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig.from_pretrained(tiny_model_dir())
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(0, 0.08)
        for layer in model.model.layers[:2]:
            attention = layer.self_attn
            attention.k_proj.weight.normal_(0, 1 / math.sqrt(config.hidden_size))
            attention.q_proj.weight.copy_(attention.k_proj.weight)
            attention.q_proj.bias.zero_()
            attention.k_proj.bias.zero_()
    return model


@dataclass(slots=True)
class Position:
    """Steps taken in all and in this stage, and running shares of right first tokens and of right probes."""

    step: int = 0
    stage: int = 0
    since: int = 0
    right: float = 0.0
    probed: float = 0.5

    def advance(self, right: float, probed: float, steps: int) -> None:
        """Count a step; begin the next stage where this one is mastered, or its share of all steps is used up."""
        self.step, self.since = self.step + 1, self.since + 1
        self.right, self.probed = 0.98 * self.right + 0.02 * right, 0.98 * self.probed + 0.02 * probed
        is_mastered = self.since > _AT_LEAST and self.right > _MASTERED
        if self.stage < len(STAGES) - 1 and (is_mastered or self.since > STAGES[self.stage].at_most * steps):
            self.stage, self.since, self.right = self.stage + 1, 0, 0.0


class TinyModelTrainer:
    """The model, its probe and optimiser, and the position in the curriculum.

    The probe predicts from the second layer, of every character of an option, whether the book states the option: a
    loss of its own for what has to be known before a letter can be chosen.
    """

    rate, warm_up, cool_down = 1e-3, 100, 0.25
    save_steps, logging_steps, probed_layer = 500, 50, 2

    def __init__(self, steps: int, seed: int = 0, times: int = 1, device: str = "cpu") -> None:
        """Prepare a run of `steps` optimiser steps, `times` as many samples a step as the curriculum says."""
        import torch

        # Matrix products in TF32, on GPUs that have it, are twice as fast.
        torch.set_float32_matmul_precision("high")
        self.steps, self.seed, self.times, self.device, self.at = steps, seed, times, device, Position()
        self.run = {"steps": steps, "seed": seed, "times": times}
        self.model = new_model(seed).to(device)
        self.probe = torch.nn.Linear(self.model.config.hidden_size, 1).to(device)
        self.weights = [*self.model.parameters(), *self.probe.parameters()]
        self.optimizer = torch.optim.AdamW(self.weights, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01)

    def train(self, state: Path, workers: int = 0, log: Callable[[Position, float], None] = lambda *_: None) -> Any:
        """Train to the end, from the file `state` where a run was cut off; return the model on the CPU.

        Raises OpenbookError where that file is of another run.
        """
        from torch.utils.data import DataLoader

        if state.is_file():
            self.load(state)
        while self.at.step < self.steps:
            stage = self.at.stage
            batches = StageBatches(self.seed, stage, self.times)
            loader = DataLoader(batches, None, sampler=range(self.at.step, self.steps), num_workers=workers)
            for batch in loader:
                # The learning rate rises shortly, stays, and falls to zero at the end.
                rise, fall = (self.at.step + 1) / self.warm_up, (self.steps - self.at.step) / self.steps
                loss = self.step(batch, self.rate * min(1.0, rise, fall / self.cool_down))
                if self.at.step % self.save_steps == 0:
                    self.save(state)
                if self.at.step % self.logging_steps == 0 or self.at.step == self.steps:
                    log(self.at, loss)
                if self.at.stage != stage:
                    break
        return self.model.eval().cpu()

    def step(self, batch: Batch, rate: float) -> float:
        """Learn from a batch and return its loss."""
        import torch
        from torch.nn import functional

        batch = {name: each.to(self.device) for name, each in batch.items()}
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        states = self.model.model(batch["tokens"], output_hidden_states=True, use_cache=False)
        logits = states.last_hidden_state[batch["rows"], batch["places"]] @ self.model.model.embed_tokens.weight.T
        layer = states.hidden_states[self.probed_layer]
        probed = self.probe(layer[batch["span_rows"], batch["span_places"]]).squeeze(-1)
        loss = functional.cross_entropy(logits, batch["answers"])
        loss = loss + functional.binary_cross_entropy_with_logits(probed, batch["stated"])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        right = (logits.argmax(-1) == batch["answers"])[batch["firsts"]].float().mean()
        said = ((probed > 0) == (batch["stated"] > 0)).float().mean()
        self.at.advance(right.item(), said.item(), self.steps)
        return float(loss.item())

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all."""
        import torch

        parts = {name: getattr(self, name).state_dict() for name in ("model", "probe", "optimizer")}
        torch.save({**parts, "at": asdict(self.at), "run": self.run}, path.with_name(f"{path.name}.part"))
        path.with_name(f"{path.name}.part").replace(path)

    def load(self, path: Path) -> None:
        """Resume from what `save` wrote; raises OpenbookError where it is broken, or of another run."""
        import torch

        try:
            saved = torch.load(path, map_location=self.device, weights_only=True)
            for name in ("model", "probe", "optimizer"):
                getattr(self, name).load_state_dict(saved[name])
            self.at, run = Position(**saved["at"]), saved["run"]
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, UnpicklingError) as error:
            raise OpenbookError(f"{path}: cannot be resumed from ({first_line(error)}); remove it") from error
        if run != self.run:
            other = ", ".join(f"{name} {value}" for name, value in run.items())
            raise OpenbookError(f"{path}: is of another run ({other}); resume that, remove it, or name another --out")


def scores(model: Any, count: int = 512) -> dict[str, float]:
    """Return the share of right answers to samples that no step trains on, by kind, asked plainly and as a chat.

    An answer is right where each of its tokens is the likeliest after the right ones before it, as greedy decoding.
    """
    import torch

    drawn, right = samples("held out", STAGES[-1], count), defaultdict(list)
    for start in range(0, count, 32):
        batch = make_batch(drawn[start : start + 32])
        with torch.no_grad():
            states = model.model(batch["tokens"]).last_hidden_state[batch["rows"], batch["places"]]
            hit = (states @ model.model.embed_tokens.weight.T).argmax(-1) == batch["answers"]
        for row, (sample, chat) in enumerate(drawn[start : start + 32]):
            right[f"{sample.kind}, {'chat' if chat else 'plain'}"].append(bool(hit[batch["rows"] == row].all()))
    return {kind: sum(those) / len(those) for kind, those in sorted(right.items())}


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the model to.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps.", min=1)] = 11_000,
    seed: Annotated[int, typer.Option(help="Seed of weights and samples.", min=0, max=2**32 - 1)] = 0,
    times: Annotated[int, typer.Option(help="Times as many samples a step as the curriculum says.", min=1)] = 1,
    workers: Annotated[
        int | None, typer.Option(help="Processes that make samples; else cores less one.", min=0)
    ] = None,
) -> None:
    """Train the tiny model from scratch, on a GPU where there is one; the same command resumes what was cut off."""
    import torch

    began, state = time.monotonic(), out / "state.pt"

    def log(at: Position, loss: float) -> None:
        shares = f"first tokens right {at.right:.3f} probe right {at.probed:.3f}"
        print(
            f"step {at.step:,} stage {at.stage} loss {loss:.3f} {shares} {time.monotonic() - began:.0f} s", flush=True
        )

    try:
        out.mkdir(parents=True, exist_ok=True)
        trainer = TinyModelTrainer(steps, seed, times, "cuda" if torch.cuda.is_available() else "cpu")
        model = trainer.train(state, (os.cpu_count() or 1) - 1 if workers is None else workers, log)
        model.save_pretrained(out)
        tokenizer().save_pretrained(out)
        state.unlink(missing_ok=True)
    except OSError as error:
        raise OpenbookError(f"{out}: cannot be written to ({error.strerror or error}); name another --out") from error
    print(json.dumps(scores(model), indent=1))


if __name__ == "__main__":
    run_program("tools.train_tiny_model", app)
