"""What a run takes from a profile: which model, how long its prompts may be, and whose code it would run."""

from collections.abc import Mapping
from typing import Any

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.profiles.loading import Profile, Size, profiles


def named(name: str) -> tuple[Profile, Size]:
    """The profile and the size that a name such as huatuo2-7b means; of a family of one size its name is enough.

    Raises OpenbookError for any other.
    """
    known = {f"{family}-{size}": (each, each.sizes[size]) for family, each in profiles().items() for size in each.sizes}
    single = {family: each for family, each in profiles().items() if len(each.sizes) == 1}
    known |= {family: (each, next(iter(each.sizes.values()))) for family, each in single.items()}
    if name not in known:
        raise OpenbookError(f"--profile {name}: there is none; {did_you_mean(name, known)}")
    return known[name]


def model_arguments(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`--model_args` of a run with a profile: its model and context, over which stands what the user gave.

    Raises OpenbookError where the model needs code of its authors and the user has not said that it may run.
    """
    profile, size = named(name)
    if size.trust_remote_code and "pretrained" not in arguments and not arguments.get("trust_remote_code"):
        raise OpenbookError(
            f"--profile {name}: {size.hub} runs code of its authors from the hub; read it, then add --trust_remote_code"
        )
    return {"pretrained": size.hub, "max_model_len": size.context, **arguments, "profile": profile.name}
