"""Profiles of model families: how each wants to be asked, and its models by size; one YAML file a family."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, Field

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.files import load_model

_FOLDER = Path(__file__).with_name("families")

Positive = Annotated[int, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
# YAML has lists only, and pydantic's strictness wants a tuple.
Texts = Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]


class Size(BaseModel, extra="forbid", strict=True, frozen=True):
    """One model of a family.

    `hub` is its name on the hub, `base` that of the model it was made of. `architecture` is the model class as
    config.json names it. `parameters` counts all, each once; with `tied_embeddings` one matrix serves as input and
    output embedding. `context` are the tokens that prompt and answer may have together. With `trust_remote_code` its
    code comes from the hub, since transformers has none. `lora_modules` are the projections that make query, key and
    value, as the architecture names them.
    """

    hub: Text
    base: Text
    architecture: Text
    parameters: Positive
    layers: Positive
    hidden: Positive
    heads: Positive
    kv_heads: Positive
    vocabulary: Positive
    tied_embeddings: bool
    context: Positive
    trust_remote_code: bool
    lora_modules: Texts


class Profile(BaseModel, extra="forbid", strict=True, frozen=True):
    """How a family, called as its file, wants to be asked, and its models by size.

    `template` is a chat template in jinja, good for asking and for training: a turn of the assistant ends with the end
    token. `stop` are the texts that end an answer: the end token, and what would open the user's next turn.
    `generation` are settings of its makers that hold for greedy decoding too. `guess` says why the format is a guess,
    where it is one; `source` where it was read.
    """

    name: Text
    title: Text
    licence: Text
    source: Text
    guess: Text | None = None
    template: Text
    # The end token of the template where the tokenizer does not name it as its `eos_token`: training must be told.
    end_token: Text | None = None
    stop: Texts
    generation: Mapping[str, float] = {}
    sizes: Annotated[Mapping[str, Size], Field(min_length=1)]


@cache
def profiles() -> Mapping[str, Profile]:
    """Return all profiles by name, in the order of their names."""
    found = (load_model(path, Profile, name=path.stem) for path in sorted(_FOLDER.glob("*.yml")))
    return MappingProxyType({each.name: each for each in found})


def profile(name: str) -> Profile:
    """Return the profile of that name. Raises OpenbookError with a hint where there is none."""
    if name not in profiles():
        raise OpenbookError(f"there is no profile {name!r}; {did_you_mean(name, profiles())}")
    return profiles()[name]


def named(name: str) -> tuple[Profile, Size]:
    """Return the profile and the size that a name such as huatuo2-7b means; a family of one size needs no size.

    Raises OpenbookError for any other name.
    """
    known: dict[str, tuple[Profile, Size]] = {}
    for family, each in profiles().items():
        known |= {f"{family}-{size}": (each, found) for size, found in each.sizes.items()}
        if len(each.sizes) == 1:
            known[family] = each, next(iter(each.sizes.values()))
    if name not in known:
        raise OpenbookError(f"--profile {name}: there is none; {did_you_mean(name, known)}")
    return known[name]


def size_of(model: str) -> Size | None:
    """Return the figures of a model on the hub where a profile has them; a tuned model has those of its base."""
    sizes = [size for each in profiles().values() for size in each.sizes.values()]
    return next((size for size in sizes if model in (size.hub, size.base)), None)


def model_arguments(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `--model_args` of a run with a profile: its model and context, unless the user gave others.

    Raises OpenbookError where the model needs code of its authors and the user has not said that it may run.
    """
    found, size = named(name)
    if size.trust_remote_code and "pretrained" not in arguments and not arguments.get("trust_remote_code"):
        raise OpenbookError(
            f"--profile {name}: {size.hub} runs code of its authors from the hub; read it, then add --trust_remote_code"
        )
    return {"pretrained": size.hub, "max_model_len": size.context, **arguments, "profile": found.name}
