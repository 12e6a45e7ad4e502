"""Find what a study's file names - models, exams, mixes, recipes - beside the study, here, or among what is shipped."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.util import find_spec as find_package
from pathlib import Path
from typing import Any

import yaml

from data_prep.spec import Source, Spec, data_folders, find_spec, read_spec, shipped_specs
from openbook_eval import install
from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.exams import load_exam
from openbook_eval.files import canonical_json
from openbook_eval.training import recipes
from openbook_eval.training.check import read_recipe
from openbook_eval.training.recipes import TINY_MODEL, cells, recipe_text
from openbook_eval.training.record import mix_folder
from openbook_eval.types import SIX_EXAMS

# Exams that `load_exam` fetches from the hub, which is not asked before the evaluation: their questions.
HUB_EXAMS = {"cmb": 11_200, "cmb-val": 280}
# Registered by `openbook-eval run`, beside what lm-eval lists.
_OUR_ENGINES = ("vllm-openbook", "api-openbook")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_VERSION = re.compile(r"^ *version: *(\S+)$", re.MULTILINE)
# Keys of a recipe whose text may name a folder or a file without a suffix; other texts must look like a path.
_FOLDER_KEYS = ("tokenizer_config", "processor_config", "base_model_config", "lora_model_dir")
_OTHER_PATHS = ("base_model", "dataset_prepared_path", "output_dir", "resume_from_checkpoint")


@dataclass(frozen=True, slots=True)
class StudyExam:
    """An exam as OPENBOOK_EXAM takes it; `digest` is None where it lies on the hub. `questions`: of the six exams."""

    name: str
    digest: str | None
    questions: int


@dataclass(frozen=True, slots=True)
class StudyMix:
    """A training mix: parts of general to medical data (1:0, 9:1, 0:1) and its rows, estimated if it counts tokens."""

    name: str
    general: int
    medical: int
    rows: int


@dataclass(frozen=True, slots=True)
class StudyData:
    """The spec of a study's mixes; `name` is what data-prep calls it: a path, or the name of a shipped spec."""

    name: str
    spec: Spec

    def mix(self, name: str) -> StudyMix:
        """Return the shape of one mix."""
        mix = self.spec.mixes[name]
        weights = mix.weights()
        medical = 1 - weights.get("general", Fraction(0))
        parts = Fraction(1 - medical, medical).as_integer_ratio() if medical else (1, 0)
        rows = mix.size
        if mix.over == "tokens":
            rows = max(1, round(rows / recipes.tokens_a_row(recipes.RecipeMix("", "", 0, float(medical), ""))))
        return StudyMix(name, *parts, rows)

    def exam_files(self) -> list[Path]:
        """List the local files beside the raw ones that its mixes depend on: decontaminated exams and a tokenizer."""
        exams = self.spec.decontaminate.exams if self.spec.decontaminate else []
        named = [each.partition("#")[0] for each in exams if each not in ("mini", *HUB_EXAMS)]
        every = [*named, *([self.spec.tokenizer] if self.spec.tokenizer else [])]
        # Path.exists raises for a name that is too long.
        return [Path(each) for each in every if each and os.path.exists(each)]  # noqa: PTH110


def raw_files(source: Source, folder: Path | None) -> list[str]:
    """List a source's files in the folder of raw files, relative to it."""
    return list(source.files(folder)) if folder else []


@dataclass(frozen=True, slots=True)
class StudyRecipe:
    """How a model is trained. `config` is what Axolotl reads; `row` is set where the recipe is one of our table."""

    name: str
    config: Mapping[str, Any]
    row: recipes.RecipeCell | None

    @property
    def mix(self) -> str:
        """The mix that the recipe names itself."""
        return mix_folder(self.config).name

    @property
    def base(self) -> str:
        """The model that is trained: a hub name, a folder or the tiny model."""
        return str(self.config["base_model"])

    @property
    def is_adapter(self) -> bool:
        """Whether an adapter is trained; else all weights are."""
        return bool(self.config.get("adapter"))

    @property
    def needs_gpu(self) -> bool:
        """Whether the recipe asks for bfloat16 or flash attention."""
        attention = str(self.config.get("attn_implementation", ""))
        return bool(self.config.get("bf16") or self.config.get("flash_attention")) or "flash" in attention


def _beside(name: str, folder: Path) -> Iterator[Path]:
    """Yield where a named file may lie: beside the study, else in the current folder."""
    yield from (path for path in (folder / name, Path(name)) if path.exists())


def find_model(name: str, folder: Path) -> str:
    """Return a model's folder in full, or the hub name or the tiny model's name as it is; the hub is not asked."""
    if name.rstrip("/").removeprefix("./") == TINY_MODEL:
        return TINY_MODEL
    for path in _beside(name, folder):
        if path.is_file():
            raise OpenbookError(f"{name}: is a file; name the folder of a model")
        if not (path / "config.json").is_file():
            raise OpenbookError(f"{name}: holds no config.json and is no model; name another folder")
        return str(path.resolve())
    if name.startswith((".", "/", "~")):
        raise OpenbookError(f"{name}: no such folder of a model, beside the study or here")
    return name


def find_exam(name: str, folder: Path) -> StudyExam:
    """Return the exam of that name, else that at a path beside the study or here. Raises ExamError."""
    if name in HUB_EXAMS:
        return StudyExam(name, None, HUB_EXAMS[name])
    file, mark, part = name.partition("#")
    if name != "mini" and file:
        name = next((f"{path.resolve()}{mark}{part}" for path in _beside(file, folder)), name)
        # A path that does not exist looks like a hub name, but for its suffix.
        if _HUB_NAME.fullmatch(name) and not Path(name).suffix:
            return StudyExam(name, None, HUB_EXAMS["cmb"])
    exam = load_exam(name)
    return StudyExam(name, exam.sha256, sum(question.exam in SIX_EXAMS for question in exam.questions))


def find_data(name: str, folder: Path) -> StudyData:
    """Return the spec at a path beside the study or here, else the shipped one of that name."""
    path = find_spec(name, folder, Path())
    return StudyData(name if path in shipped_specs().values() else str(path.resolve()), read_spec(path))


def find_data_folder(name: str, folder: Path) -> Path:
    """Return the folder of raw files, which is beside the study or here."""
    for path in _beside(name, folder):
        if path.is_dir():
            return path.resolve()
    raise OpenbookError(f"{name}: no such folder of raw files, beside the study or here")


def usual_data_folder() -> Path | None:
    """Return where data-prep looks for raw files when it is not told."""
    return next((path.resolve() for path in data_folders() if path.is_dir()), None)


@cache
def _table() -> Mapping[str, recipes.RecipeCell]:
    return {cell.name: cell for cell in cells()}


def find_recipe(name: str, folder: Path) -> StudyRecipe:
    """Return the recipe of our table with this name, else that in a file beside the study or here."""
    if name in _table():
        return StudyRecipe(name, yaml.safe_load(recipe_text(_table()[name])), _table()[name])
    for path in _beside(name, folder):
        if path.is_file():
            return _read_recipe(path, folder)
    if Path(name).suffix in (".yml", ".yaml"):
        raise OpenbookError(f"recipe {name}: no such file, beside the study or here")
    raise OpenbookError(f"recipe {name!r} is not in the table and no file; {did_you_mean(name, _table())}")


def _read_recipe(path: Path, folder: Path) -> StudyRecipe:
    config, found = read_recipe(path)
    faults = [f"{key}: {text}" if key else text for key, text in found]
    checks: list[Callable[[], object]] = [lambda: mix_folder(config), lambda: canonical_json(config)]
    if not isinstance(config.get("base_model"), str):
        faults.append("base_model: is missing; name the model that is trained")
    else:
        checks.insert(0, lambda: config.update(base_model=find_model(config["base_model"], folder)))
    for check in checks if config else []:
        try:
            check()
        except (OpenbookError, OSError, ValueError, TypeError) as error:
            faults.append(str(error))
    if faults:
        raise OpenbookError(f"recipe {path}: {'; '.join(faults)}")
    found_files = named_files(config, folder, Path()).items()
    return StudyRecipe(path.stem, replaced(config, {text: str(file) for text, file in found_files}), None)


def named_files(value: Any, *places: Path, key: str = "") -> dict[str, Path]:
    """Find the files that a recipe names, such as a chat template: their paths by the text that names them."""
    if isinstance(value, Mapping):
        inside = [named_files(each, *places, key=name) for name, each in value.items() if name not in _OTHER_PATHS]
        return {text: path for found in inside for text, path in found.items()}
    if isinstance(value, list):
        return {text: path for each in value for text, path in named_files(each, *places, key=key).items()}
    # `adapter: lora` names no file, whatever lies here.
    if not isinstance(value, str) or not (key in _FOLDER_KEYS or "/" in value or Path(value).suffix):
        return {}
    exists = os.path.exists if key in _FOLDER_KEYS else os.path.isfile  # Path.exists raises for long texts
    path = next((path for place in places if exists(path := place / value)), None)
    return {value: path.absolute()} if path else {}


def replaced(value: Any, by: Mapping[str, str]) -> Any:
    """Return a plain value with the texts that are keys of `by` replaced."""
    if isinstance(value, Mapping):
        return {key: replaced(each, by) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, by) for each in value]
    return by.get(value, value) if isinstance(value, str) else value


@cache
def task_versions() -> Mapping[str, str]:
    """Return every condition with the version of its prompt, scores and books; several are joined, as in 1.0+1.1."""
    root = install.tasks_dir()
    shared = (root / "_shared").read_text("utf-8")
    texts = {name: [shared, *(file.read_text("utf-8") for file in (root / name).iterdir())] for name in CONDITIONS}
    found = {name: {version for each in texts[name] for version in _VERSION.findall(each)} for name in CONDITIONS}
    return {name: "+".join(sorted(versions)) for name, versions in found.items()}


@cache
def engines() -> tuple[str, ...]:
    """Return what `--model` may be; nothing where lm-eval's list is not found. It is read as text: imports are slow."""
    package = find_package("lm_eval")
    for place in list(package.submodule_search_locations or ()) if package else []:
        file = Path(place) / "models" / "__init__.py"
        names = re.findall(r'^    "([\w-]+)": "', file.read_text("utf-8"), re.MULTILINE) if file.is_file() else []
        if names:
            return (*_OUR_ENGINES, *names)
    return ()
