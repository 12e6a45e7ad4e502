"""Train as a recipe says with transformers and peft alone: what `benchmarks.training` compares the recipes with.

    .venv-train/bin/python benchmarks/plain_training.py RECIPE FIGURES

LoRA only; each batch is padded to its longest row. FIGURES is the JSON file that is written.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from openbook_eval.training.record import tokens_in

_NOT_LEARNT = -100  # what transformers' loss leaves out

Row = dict[str, list[int]]


class CountingTrainer(Trainer):  # type: ignore[misc]
    """Count the tokens that are trained on, as the trainer of the recipes does."""

    counted: Any = 0

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """Count, and train as the trainer does."""
        self.counted = self.counted + tokens_in(inputs, None)
        return super().training_step(model, inputs, num_items_in_batch)


class Clock(TrainerCallback):  # type: ignore[misc]
    """Measure the seconds that the record of a recipe counts."""

    began = seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Begin when all is set up."""
        self.began = time.monotonic()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """End with the last step."""
        self.seconds = time.monotonic() - self.began


def tokenised(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> Row:
    """Return a question and its answer as ids; as with Axolotl, the answer and its end token are learnt."""
    ids = tokenizer.apply_chat_template(messages, return_dict=False)
    asked = len(tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False))
    end = len(ids) - ids[::-1].index(tokenizer.eos_token_id)
    labels = [_NOT_LEARNT] * asked + ids[asked:end] + [_NOT_LEARNT] * (len(ids) - end)
    return {"input_ids": ids, "labels": labels}


def tokenizer_of(config: Mapping[str, Any]) -> Any:
    """Return the model's tokenizer with the recipe's template and end token."""
    tokenizer = AutoTokenizer.from_pretrained(config["base_model"])
    tokenizer.chat_template = config.get("chat_template_jinja") or tokenizer.chat_template
    tokenizer.eos_token = config.get("special_tokens", {}).get("eos_token") or tokenizer.eos_token
    return tokenizer


def with_adapter(config: Mapping[str, Any]) -> Any:
    """Return the recipe's model with its adapter."""
    model = AutoModelForCausalLM.from_pretrained(
        config["base_model"],
        dtype=torch.bfloat16 if config["bf16"] else torch.float32,
        attn_implementation=config["attn_implementation"],
    )
    adapter = LoraConfig(
        r=config["lora_r"],
        lora_alpha=config["lora_alpha"],
        lora_dropout=config["lora_dropout"],
        target_modules=config["lora_target_modules"],
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, adapter)


def arguments(config: Mapping[str, Any]) -> TrainingArguments:
    """Return the recipe's keys as transformers names them."""
    return TrainingArguments(
        output_dir=config["output_dir"],
        per_device_train_batch_size=config["micro_batch_size"],
        gradient_accumulation_steps=config["gradient_accumulation_steps"],
        num_train_epochs=config["num_epochs"],
        train_sampling_strategy="sequential",  # Axolotl's curriculum_sampling
        optim=config["optimizer"],
        learning_rate=config["learning_rate"],
        lr_scheduler_type=config["lr_scheduler"],
        warmup_steps=config["warmup_steps"],
        seed=config["seed"],
        bf16=config["bf16"],
        tf32=config.get("tf32"),
        gradient_checkpointing=config.get("gradient_checkpointing", False),
        logging_steps=config["logging_steps"],
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def train(config: Mapping[str, Any]) -> dict[str, Any]:
    """Train; return tokens without padding, seconds, the loss of each step, and the bytes of a GPU's memory."""
    tokenizer, clock = tokenizer_of(config), Clock()
    with Path(config["datasets"][0]["path"]).open(encoding="utf-8") as file:
        rows = [tokenised(tokenizer, json.loads(line)["messages"]) for line in file]
    set_seed(config["seed"])
    trainer = CountingTrainer(
        model=with_adapter(config),
        args=arguments(config),
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        processing_class=tokenizer,
        callbacks=[clock],
    )
    # Axolotl 0.19 averages over the batches of a step, whatever tokens they hold; transformers would over its tokens.
    trainer.model_accepts_loss_kwargs = False
    trainer.train()
    return {
        "tokens": int(trainer.counted),
        "seconds": clock.seconds,
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "memory": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
    }


def main() -> None:
    """Train the recipe that the command line names."""
    recipe, figures = map(Path, sys.argv[1:])
    figures.write_text(json.dumps(train(yaml.safe_load(recipe.read_text(encoding="utf-8")))), encoding="utf-8")


if __name__ == "__main__":
    main()
