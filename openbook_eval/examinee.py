"""The embedded examinee: a tiny Qwen2 model, built in seconds, so that the real engine runs with nothing downloaded.

Its weights are random: it answers at chance or not at all. It is there to run the machinery, not to be good.
"""

import filecmp
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from openbook_eval.book import open_book
from openbook_eval.errors import OpenbookError
from openbook_eval.exams import load_exam
from openbook_eval.prompt import render

_SEED = 20240726
# Head size 32 is the smallest that vLLM's attention takes on CPU; 32,768 positions are Qwen1.5's.
_ARCHITECTURE: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 352,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
}
_VOCABULARY = 4096
_END_OF_TEXT, _START, _END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def examinee_dir(cache: Path | None = None) -> Path:
    """The folder of the embedded examinee, built if it is not there yet.

    The folder's name carries a hash of this module, the text it learns from and the libraries' versions, so whatever
    changes makes a new model. Raises OpenbookError where the engine's libraries are missing or the cache is closed.
    """
    cache = cache or user_cache_path("openbook-eval")
    folder = cache / f"examinee-{_recipe_hash()}"
    if not folder.is_dir():
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OpenbookError(
                f"{cache}: cannot be made ({error}); set XDG_CACHE_HOME to a folder of yours"
            ) from error
        # Built aside and moved in one step: no one ever sees half a model.
        with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as building:
            _build(Path(building) / "model")
            try:
                (Path(building) / "model").rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was faster, with the same model
                    raise
    return folder


def copy_examinee(out: Path) -> Path:
    """Copies the embedded examinee to a folder that is not there yet, or is a copy of it already; returns the folder.

    Raises OpenbookError where something else is there, or the folder cannot be written.
    """
    model = examinee_dir()
    if _is_copy(out, model):
        return out
    if out.exists():
        raise OpenbookError(f"{out}: is there already, and is not the examinee; remove it, or name another with --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix="copying-") as copying:
            shutil.copytree(model, Path(copying) / "model").rename(out)
    except OSError as error:
        reason = error.strerror or error  # of several files at once shutil tells no one reason
        raise OpenbookError(f"{out}: cannot be written ({reason}); name another folder with --out") from error
    return out


def _is_copy(folder: Path, of: Path) -> bool:
    files = [path.name for path in of.iterdir()]
    return folder.is_dir() and filecmp.cmpfiles(folder, of, files, shallow=False)[0] == files


def _recipe_hash() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for library in ("tokenizers", "transformers", "torch"):
        digest.update(_version(library).encode())
    for text in _texts():
        digest.update(text.encode())
    return digest.hexdigest()[:12]


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"


def _texts() -> Iterator[str]:
    """The project's own text: the bundled exam as the examinee meets it, with its explanations."""
    for question in load_exam("mini").questions:
        yield render(question, open_book(question))
        yield question.explanation or ""


def _build(folder: Path) -> None:
    try:
        import torch
        from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM
    except ImportError as error:
        raise OpenbookError(f"building the examinee needs an engine ({error}); install openbook-eval[cpu]") from error
    tokenizer = _train_tokenizer()
    ends = tokenizer.convert_tokens_to_ids([_END, _END_OF_TEXT])
    config = Qwen2Config(vocab_size=len(tokenizer), eos_token_id=ends[0], pad_token_id=ends[1], **_ARCHITECTURE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=ends[1])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _train_tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    # transformers loads every tokenizer of a qwen2 model with Qwen2's own splitting of text; trained with any other,
    # the same text would have other ids after loading.
    qwen2 = Qwen2Tokenizer()._tokenizer
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer, tokenizer.pre_tokenizer = qwen2.normalizer, qwen2.pre_tokenizer
    tokenizer.decoder = qwen2.decoder
    trainer = BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=[_END_OF_TEXT, _START, _END],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=_END, pad_token=_END_OF_TEXT, chat_template=_CHATML
    )
