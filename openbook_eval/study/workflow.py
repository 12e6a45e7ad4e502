"""Turn a study into steps that are known by the content they are made of, each with what it is expected to need."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Literal

from data_prep.manifest import TRAIN
from openbook_eval.books.conditions import CONDITIONS, SAMPLE
from openbook_eval.errors import OpenbookError
from openbook_eval.files import sha256_file, sha256_json
from openbook_eval.models.endpoints import endpoints
from openbook_eval.models.profiles import Size, named, size_of
from openbook_eval.prompt import VERSIONS
from openbook_eval.study.jobs import State
from openbook_eval.study.spec import Cell, Study, StudyModel, StudyRecipe, with_texts
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.training import recipes
from openbook_eval.training.recipes import TINY_MODEL, RecipeMix

Kind = Literal["mix", "train", "merge", "evaluate"]
# Ranks of adapters that vLLM has room for.
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
# What a rule may ask an executor for; CPU cores for each GPU, for the processes that feed it.
RESOURCES, _CORES_A_GPU = ("gpu", "gpu_manufacturer", "mem_mb", "runtime", "nodes", "slurm_extra"), 8

# What weights may take of an A100 or H100 of 80 GB; an A100's FLOP/s in bfloat16 (NVIDIA's data sheet).
_GPU_BYTES, _PEAK = 80e9 * 0.9 * 0.9, 312e12
# Seconds to load a model, and of a provider's reply.
_LOADING, _REPLY = 180.0, 3
# Tokens of a prompt with Qwen's tokenizer, measured on 2,000 questions of CMB; other conditions share books of 4k.
_PROMPTS = {
    "openbook": 154, "closedbook": 120, "openbook_ranked": 154, "reading_open": 174, "reading_closed": 120,
    "reading_library_16k": 11_320, "reading_library_64k": 45_520, "reading_library_256k": 182_020,
}  # fmt: skip
_PROMPT = 2_920
# Bytes: a row of a mix; an item as samples keep it, beside its prompt of some 10 bytes a token, kept twice.
_ROW, _ITEM, _TOKEN = 1_000, 4_000, 20
# More is asked of a scheduler than is expected, so that nothing is stopped just before its end.
_HEADROOM = 1.5


@dataclass(frozen=True, slots=True)
class Need:
    """What a step is expected to need; None is unknown."""

    gpus: int
    hours: float | None  # of all its GPUs, else of the machine
    memory: float | None  # bytes, of the machine
    kept: float | None  # bytes on disk in the end
    scratch: float = 0.0  # beside it, while the step runs

    def resources(self, executor: str | None) -> dict[str, Any]:
        """Return what is asked of an executor, by the names that its plugin has for it."""
        memory = self.memory or (64e9 if self.gpus else 4e9)
        hours = self.hours if self.hours is not None else 24.0 if self.gpus else 2.0
        minutes = ceil(hours / max(1, self.gpus) * _HEADROOM * 60) + 15
        asked = {"threads": 1, "mem_mb": ceil(memory * _HEADROOM / 1e6), "runtime": minutes}
        if not self.gpus:
            return asked
        if executor:
            asked["threads"] = _CORES_A_GPU * self.gpus
        if executor == "slurm":
            # With the plugin's own `gpu` a job of several GPUs becomes several tasks, each with one of them.
            return {**asked, "nodes": 1, "slurm_extra": f"--gres=gpu:{self.gpus}"}
        return {**asked, "gpu": self.gpus, "gpu_manufacturer": "nvidia"}


@dataclass(frozen=True, slots=True)
class Step:
    """One job of Snakemake."""

    kind: Kind
    name: str
    digests: Mapping[str, str]  # of what each part of its result is made of: a condition, else the kind
    needs: tuple[str, ...]  # ids of other steps
    task: Mapping[str, Any]  # what `jobs` does
    need: Need

    @property
    def id(self) -> str:
        """Its folder in the folder that the study works in."""
        return f"{self.kind}/{self.name}"

    def state(self, work: Path) -> State:
        """Read what has become of it."""
        return State.of(work / self.id, self.digests)


@dataclass(frozen=True, slots=True)
class Workflow:
    """A study's cells, and its steps by id, those that are needed before those that need them."""

    name: str
    title: str
    cells: tuple[Cell, ...]
    steps: Mapping[str, Step]

    def evaluation(self, cell: Cell) -> Step:
        """Return the step that evaluates a cell."""
        return self.steps[f"evaluate/{cell.name}"]

    def needed_by(self, step: Step) -> list[Step]:
        """Return a step and all that it needs, what is needed first."""
        found = {each.id: each for need in step.needs for each in self.needed_by(self.steps[need])}
        return [*found.values(), step]

    def to_do(self, work: Path) -> list[Step]:
        """Return the steps that are not done, without those that only a done step needs."""
        wanted = set(self.steps) - {need for step in self.steps.values() for need in step.needs}
        found = []
        for step in reversed(list(self.steps.values())):
            if step.id in wanted and not step.state(work).done:
                found.append(step)
                wanted.update(step.needs)
        return found[::-1]

    def config(self, work: Path, executor: str | None) -> dict[str, Any]:
        """Return what the Snakefile and `jobs` read: Snakemake's config file."""
        steps = {
            step.id: {
                "needs": step.needs,
                "digests": step.digests,
                "digest": sha256_json(step.digests),
                "task": step.task,
                "gpus": step.need.gpus,
                "resources": step.need.resources(executor),
            }
            for step in self.steps.values()
        }
        return {"work": str(work), "origin": str(Path.cwd()), "resources": RESOURCES, "steps": steps}


def workflow_of(study: Study, work: Path = Path()) -> Workflow:
    """Return the cells and steps of a study that works in the folder `work`, which is no part of their digests."""
    planner, seen = _Planner(study, work.absolute()), dict[tuple[int | None, str], str]()
    cells = tuple(study.cells())
    for cell in cells:
        source = cell.source
        step = planner.trained(cell, source) if isinstance(source, StudyRecipe) else planner.as_it_is(cell, source)
        # They would count as two seeds.
        if (first := seen.setdefault((cell.table, sha256_json(step.digests)), cell.name)) != cell.name:
            raise OpenbookError(
                f"study {study.name}: {first} and {cell.name} are the same training; leave one of them out"
            )
    return Workflow(study.name, study.title, cells, planner.steps)


@dataclass
class _Planner:
    study: Study
    work: Path
    steps: dict[str, Step] = field(default_factory=dict)
    contents: dict[Path, str] = field(default_factory=dict)

    def _add(
        self, kind: Kind, name: str, content: Mapping[str, Any], before: Sequence[Step], task: Mapping[str, Any],
        need: Need,
    ) -> Step:  # fmt: skip
        # `content` is all that makes the result, by part.
        upstream = [each.digests for each in before]
        digests = {part: sha256_json([kind, part, each, upstream]) for part, each in content.items()}
        step = Step(kind, name, digests, tuple(each.id for each in before), task, need)
        self.steps[step.id] = step
        return step

    def trained(self, cell: Cell, recipe: StudyRecipe) -> Step:
        """Add a cell's training and its evaluation, with a merge between them unless the engine takes the adapter."""
        step = self._training(cell, recipe)
        base, output = _place(recipe.base), f"{self.work}/{step.id}/output"
        trusted = bool(recipe.config.get("trust_remote_code"))
        arguments: dict[str, Any] = {"pretrained": output} | ({"trust_remote_code": True} if trusted else {})
        if recipe.config.get("adapter") and self.study.evaluate == "adapter":
            rank = next((size for size in _RANKS if size >= int(recipe.config.get("lora_r", 0))), _RANKS[-1])
            own = {"enable_lora": True, "lora_local_path": output, "max_lora_rank": rank}
            arguments |= {"pretrained": base, **own}
        elif recipe.config.get("adapter"):
            arguments["pretrained"] = out = f"{self.work}/merge/{cell.name}/model"
            command = ["openbook-eval", "recipes", "merge", output, "--out", out, "--base", base]
            command += ["--trust-remote-code"] * trusted
            kept = _weights(recipe.base)
            need = Need(0, None, None if kept is None else 4e9 + 2 * kept, kept)
            step = self._add("merge", cell.name, {"merge": {}}, [step], {"command": command}, need)
        # What no GPU trains, no GPU is needed to evaluate.
        need = evaluation_need(self.study, size_of(recipe.base), on_cpu=not recipe.needs_gpu)
        # As the model before it is asked: a profile brings stops, a chat format and settings of generation.
        same = (model.profile for model in self.study.models if model.profile and model.base == recipe.base)
        return self._evaluation(cell, [step], need, arguments, profile=next(same, None))

    def _training(self, cell: Cell, recipe: StudyRecipe) -> Step:
        assert cell.mix is not None  # noqa: S101
        mix, base = self._mix(cell.mix), _place(recipe.base)
        config = recipe.trained | {"seed": cell.seed}
        rows = {**config["datasets"][0], "path": f"{self.work}/{mix.id}/{cell.mix.name}/{TRAIN}"}
        here = {"output_dir": "output", "dataset_prepared_path": "prepared", "base_model": base, "datasets": [rows]}
        # Files count by their content, wherever they lie.
        content = {**with_texts(config, self._of_text), "base_model": self._of_text(base)}
        command = ["accelerate", "launch", "--quiet", "--num_processes", "1", "-m", "axolotl.cli.train", "recipe.yml"]
        task = {"recipe": config, "here": here, "command": command}
        return self._add("train", cell.name, {"train": content}, [mix], task, training_need(recipe, cell.mix))

    def as_it_is(self, cell: Cell, model: StudyModel) -> Step:
        """Add the evaluation of a model that is not trained."""
        base = _place(model.base)
        if model.profile:
            return self._evaluation(cell, [], evaluation_need(self.study, size_of(model.base)), {}, model.profile)
        if model.endpoint:
            settings, questions = endpoints()[model.endpoint], sum(each for each, _ in _asked(self.study))
            hours = _REPLY * questions / max(1, int(settings["num_concurrent"])) / 3600
            need = Need(gpus=0, hours=hours, memory=2e9, kept=_samples(self.study))
            return self._evaluation(cell, [], need, {"profile": model.endpoint}, endpoint=dict(settings))
        need = evaluation_need(self.study, size_of(model.base), on_cpu=model.base == TINY_MODEL)
        return self._evaluation(cell, [], need, {"pretrained": base}, model=self._of_text(base))

    def _evaluation(
        self, cell: Cell, before: Sequence[Step], need: Need, arguments: Mapping[str, Any], profile: str | None = None,
        **asked: Any,
    ) -> Step:  # fmt: skip
        study, engine = self.study, self.study.engine
        # As JSON, since a path may hold what `key=value` breaks at.
        own, text = (json.dumps(each, ensure_ascii=False) for each in (arguments, {**engine.model_args, **arguments}))
        if profile:  # which brings its chat format
            options = ["--profile", profile, "--model_args", text]
            asked = {"profile": named(profile)[0].model_dump(mode="json"), "size": profile}
        elif "endpoint" in asked:
            options = ["--model", "api-openbook", "--model_args", own, "--apply_chat_template"]
        else:
            options = ["--model", engine.model, "--model_args", text, *["--apply_chat_template"] * engine.chat_template]
        shared = {"exam": study.exam.digest or study.exam.name, "engine": engine.model_dump(exclude={"gpus"})}
        content = {
            name: {**shared, "asked": asked, "version": VERSIONS[CONDITIONS[name].frame]}
            for name in sorted(study.conditions)
        }
        command = ["openbook-eval", "run", *options, "--batch_size", engine.batch_size, "--log_samples"]
        return self._add("evaluate", cell.name, content, before, {"command": command, "exam": study.exam.name}, need)

    def _mix(self, mix: RecipeMix) -> Step:
        if step := self.steps.get(f"mix/{mix.name}"):
            return step
        assert self.study.data is not None  # noqa: S101
        data, spec = self.study.data, self.study.data.spec.declared
        files = {source.name: data.raw_files(source) for source in spec.sources}
        content = {
            "spec": {**spec.model_dump(mode="json"), "mixes": spec.mixes[mix.name].model_dump(mode="json")},
            "files": {name: {each: self._content(path) for each, path in own.items()} for name, own in files.items()},
            "exams": [self._content(path) for path in data.other_files()],
        }
        raw = float(sum(path.stat().st_size for own in files.values() for path in own.values()))
        out = f"{self.work}/mix/{mix.name}"
        # Without --data, data-prep would look in places of its own, which the digest knows nothing of.
        command = ["data-prep", "build", data.spec.name, "--mix", mix.name, "--out", out, "--data", data.folder or out]
        # Dropped rows and the work take the raw bytes again.
        need = Need(gpus=0, hours=None, memory=2e9 + 4 * raw, kept=_ROW * mix.rows + raw, scratch=2 * raw)
        return self._add("mix", mix.name, {"mix": content}, [], {"command": list(map(str, command))}, need)

    def _of_text(self, text: str) -> str:
        # A file or folder in full by its content, any other text as it is. Path.exists raises for long texts.
        return self._content(Path(text)) if text.startswith("/") and os.path.exists(text) else text  # noqa: PTH110

    def _content(self, path: Path) -> str:
        # Hidden files do not count.
        if path not in self.contents:
            shown = (each for each in sorted(path.rglob("[!.]*")) if each.is_file())
            hashes = [[each.relative_to(path).as_posix(), sha256_file(each)] for each in shown]
            self.contents[path] = sha256_file(path) if path.is_file() else sha256_json(hashes)
        return self.contents[path]


def _place(model: str) -> str:
    return str(tiny_model_dir()) if model == TINY_MODEL else model


def _weights(model: str) -> float | None:
    if model == TINY_MODEL:
        return float(sum(path.stat().st_size for path in tiny_model_dir().iterdir() if path.is_file()))
    return 2.0 * size.parameters if (size := size_of(model)) else None


def training_need(recipe: StudyRecipe, mix: RecipeMix) -> Need:
    """Estimate a training on one GPU; its time is known for recipes of our table."""
    limit = recipe.config.get("save_total_limit")
    # One more than the recipe keeps is there while it is written.
    checkpoints = (limit if isinstance(limit, int) else 2) + 1
    if recipe.row is None or (size := recipe.row.size) is None:
        weights = _weights(TINY_MODEL) if recipe.base == TINY_MODEL else None
        return Need(int(recipe.needs_gpu), None, None, weights, 3 * (weights or 0) * checkpoints)
    how = recipes.settings(recipe.row)
    adapter = recipe.config.get("adapter")
    trained = recipes.lora_parameters(size, how) if adapter else size.parameters
    # Bytes a parameter of weights, and of a checkpoint with AdamW's two moments: in float32, else in bfloat16.
    kept, checkpoint = (4.0, 12.0) if adapter else (2.0, 6.0)
    hours = recipes.costs(size, mix, how).hours
    return Need(1, hours, 8e9 + 2 * size.parameters, kept * trained, checkpoint * trained * checkpoints)


def evaluation_need(study: Study, size: Size | None, *, on_cpu: bool = False) -> Need:
    """Estimate an evaluation on the engine's GPUs, else on as many as the weights need.

    A token of a prompt costs 2 FLOPs a parameter and 4 * layers * width * length of attention (Kaplan et al. 2020,
    table 1), half the prompt being seen on average. Writing a few letters, and what an engine reads once of shared
    books, are left out.
    """
    gpus = study.engine.gpus
    if gpus is None:
        gpus = 0 if on_cpu else ceil(2.0 * size.parameters / _GPU_BYTES) if size else 1
    if size is None:
        return Need(gpus, None, None, _samples(study))
    attention = 2.0 * size.layers * (size.hidden // size.heads * size.heads)
    flops = sum(
        questions * tokens * (2.0 * recipes.multiplied(size) + attention * tokens)
        for questions, tokens in _asked(study)
    )
    hours = (_LOADING + flops / (_PEAK * recipes.UTILISATION)) * gpus / 3600 if gpus else None
    return Need(gpus, hours, 8e9 + 2.0 * size.parameters, _samples(study))


def _asked(study: Study) -> list[tuple[int, int]]:
    # By condition the questions, and the tokens of a prompt.
    every = study.exam.questions
    return [
        (min(every, SAMPLE) if CONDITIONS[name].is_sampled else every, _PROMPTS.get(name, _PROMPT))
        for name in study.conditions
    ]


def _samples(study: Study) -> float:
    return float(sum(questions * (_ITEM + _TOKEN * tokens) for questions, tokens in _asked(study)))
