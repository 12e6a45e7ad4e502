"""Turn a study into steps that are known by the content they are made of, and have Snakemake do them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from data_prep.manifest import TRAIN
from openbook_eval.errors import OpenbookError
from openbook_eval.files import sha256_file, sha256_json
from openbook_eval.models.endpoints import endpoints
from openbook_eval.models.profiles import named
from openbook_eval.study import jobs, needs
from openbook_eval.study.inputs import StudyMix, StudyRecipe, named_files, raw_files, replaced, task_versions
from openbook_eval.study.needs import Need
from openbook_eval.study.spec import Cell, Study, StudyModel, safe_name
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.training.recipes import TINY_MODEL

Kind = Literal["mix", "train", "merge", "evaluate"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# Keys that say what a training writes on the way, not what comes of it, unless the best of that is taken in the end.
_ON_THE_WAY = ("logging_steps", "save_total_limit", "saves_per_epoch", "save_steps", "save_strategy")
_TAKES_THE_BEST = ("load_best_model_at_end", "early_stopping_patience")
# What a rule may ask an executor for; `resources` says which of it a step does.
RESOURCES = ("gpu", "gpu_manufacturer", "mem_mb", "runtime", "nodes", "slurm_extra")
# CPU cores for each GPU, for the processes that feed it.
_CORES_A_GPU = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One job of Snakemake. `digests` name what each part of its result is made of: a condition, else the kind.

    `needs` are ids of other steps, `cells` names of those that want it, `task` is what `jobs` is told to do.
    """

    kind: Kind
    name: str
    digests: Mapping[str, str]
    needs: tuple[str, ...]
    cells: tuple[str, ...]
    task: Mapping[str, Any]
    need: Need

    @property
    def id(self) -> str:
        """Its folder in the folder that the study works in."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class StepState:
    """What has become of a step: `record` is what `jobs` keeps of it, `reason` and `log` tell of a failure."""

    done: bool
    record: Mapping[str, Any]
    reason: str = ""
    log: str = ""


def state_of(step: Step, work: Path) -> StepState:
    """Read what has become of a step in the folder that the study works in. Raises nothing for broken files."""
    record = jobs.read_json(work / step.id / jobs.RECORD)
    parts = record.get("parts") or {}
    if all(parts.get(part, {}).get("digest") == digest for part, digest in step.digests.items()):
        return StepState(True, record)
    failure = jobs.read_json(work / step.id / jobs.FAILURE)
    return StepState(False, record, str(failure.get("reason", "")), str(failure.get("log", "")))


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

    def config(self, work: Path, executor: str | None) -> dict[str, Any]:
        """Return what the Snakefile and `jobs` read: Snakemake's config file."""
        steps = {
            step.id: {
                "needs": step.needs,
                "digests": step.digests,
                "digest": sha256_json(step.digests),
                "task": step.task,
                "gpus": step.need.gpus,
                "resources": resources(step.need, executor),
            }
            for step in self.steps.values()
        }
        return {
            "study": self.name,
            "work": str(work),
            "origin": str(Path.cwd()),
            "resources": RESOURCES,
            "steps": steps,
        }


def workflow_of(study: Study) -> Workflow:
    """Return the cells and steps of a study. Raises OpenbookError where two cells of a table are one training."""
    planner, seen = _Planner(study), dict[tuple[int | None, str], str]()
    cells = tuple(study.cells())
    for cell in cells:
        step = planner.trained(cell) if isinstance(cell.source, StudyRecipe) else planner.as_it_is(cell, cell.source)
        # They would count as two seeds.
        if (first := seen.setdefault((cell.table, sha256_json(step.digests)), cell.name)) != cell.name:
            raise OpenbookError(
                f"study {study.name}: {first} and {cell.name} are the same training; leave one of them out"
            )
    return Workflow(study.name, study.title, cells, planner.steps)


@dataclass
class _Planner:
    study: Study
    steps: dict[str, Step] = field(default_factory=dict)

    def _add(
        self, kind: Kind, name: str, cell: Cell, content: Mapping[str, Any], before: Sequence[Step],
        task: Mapping[str, Any], need: Need,
    ) -> Step:  # fmt: skip
        """Add a step, or another cell that wants it. `content` is all that makes the result, by part."""
        upstream = [each.digests for each in before]
        digests = {part: sha256_json([kind, part, each, upstream]) for part, each in content.items()}
        known = self.steps.get(f"{kind}/{name}")
        cells = (*known.cells, cell.name) if known else (cell.name,)
        step = Step(kind, name, digests, tuple(each.id for each in before), cells, task, need)
        self.steps[step.id] = step
        return step

    def trained(self, cell: Cell) -> Step:
        recipe = cell.source
        assert isinstance(recipe, StudyRecipe)  # noqa: S101
        assert cell.mix is not None  # noqa: S101
        config = {
            name: each for name, each in recipe.config.items() if name not in ("dataset_prepared_path", "output_dir")
        }
        # Where the mix lies is no part of what is trained.
        rows = [{**row, "path": TRAIN} for row in config["datasets"]]
        config |= {"seed": cell.seed, "datasets": rows}
        content = self._recipe_content(recipe, config)
        mix = self._mix(cell, cell.mix)
        task: dict[str, Any] = {"recipe": config, "mix": cell.mix.name, "mix_folder": mix.id}
        step = self._add("train", cell.name, cell, {"train": content}, [mix], task, needs.training(recipe, cell.mix))
        model: dict[str, Any] = {"pretrained": f"{step.id}/{jobs.OUTPUT}"}
        if recipe.is_adapter and self.study.evaluate == "merged":
            task = {"adapter": f"{step.id}/{jobs.OUTPUT}", "base": recipe.base, "trust_remote_code": _trusts(recipe)}
            step = self._add("merge", cell.name, cell, {"merge": {}}, [step], task, needs.merge(recipe.base))
            model = {"pretrained": f"{step.id}/{jobs.MODEL}"}
        elif recipe.is_adapter:
            model = {"pretrained": recipe.base, "adapter": f"{step.id}/{jobs.OUTPUT}", "rank": config.get("lora_r", 0)}
        # What no GPU trains, no GPU is needed to evaluate.
        gpus = self._gpus(None if recipe.needs_gpu else 0)
        arguments = {"trust_remote_code": True} if _trusts(recipe) else {}
        size = needs.size_of(recipe.base)
        return self._evaluation(
            cell, [step], {**model, "arguments": arguments}, {}, needs.evaluation(size, self.study, gpus)
        )

    def as_it_is(self, cell: Cell, model: StudyModel) -> Step:
        if model.endpoint:
            asked: dict[str, Any] = {"endpoint": dict(endpoints()[model.endpoint])}
            at_once = int(endpoints()[model.endpoint]["num_concurrent"])
            return self._evaluation(cell, [], {"endpoint": model.endpoint}, asked, needs.answers(self.study, at_once))
        if model.profile:
            profile, size = named(model.profile)
            need = needs.evaluation(size, self.study, self._gpus(None))
            asked = {"profile": profile.model_dump(mode="json"), "size": model.profile}
            return self._evaluation(cell, [], {"profile": model.profile}, asked, need)
        gpus = self._gpus(0 if cell.model == TINY_MODEL else None)
        need = needs.evaluation(needs.size_of(cell.model), self.study, gpus)
        return self._evaluation(cell, [], {"pretrained": cell.model}, {"model": self._model_digest(cell.model)}, need)

    def _evaluation(
        self, cell: Cell, before: Sequence[Step], model: Mapping[str, Any], asked: Mapping[str, Any], need: Need
    ) -> Step:
        study, engine = self.study, self.study.engine
        chat = engine.chat_template or "endpoint" in model
        shared = {
            "exam": study.exam.digest or study.exam.name,
            "engine": "api-openbook" if "endpoint" in model else engine.model,
            "model_args": {**engine.model_args, **model.get("arguments", {})},
            # A profile brings its chat format itself.
            "chat_template": chat and "profile" not in model,
            "batch_size": engine.batch_size,
        }
        # Where a model lies is no part of what it is.
        subject = {name: each for name, each in model.items() if name not in ("pretrained", "adapter")}
        content = {
            name: {**shared, "asked": asked, "model": subject, "version": task_versions()[name]}
            for name in sorted(study.conditions)
        }
        task = {**shared, "exam": study.exam.name, "model": model}
        return self._add("evaluate", cell.name, cell, content, before, task, need)

    def _mix(self, cell: Cell, mix: StudyMix) -> Step:
        assert self.study.data is not None  # noqa: S101
        data, name = self.study.data, safe_name(mix.name)
        spec = data.spec.spec
        content = {
            "spec": {**spec.model_dump(mode="json"), "mixes": spec.mixes[mix.name].model_dump(mode="json")},
            "files": self._raw_files,
            "exams": [self._content(path) for path in data.spec.exam_files()],
        }
        size = sum(
            (data.folder / name).stat().st_size for name in self._raw_files if data.folder and self._raw_files[name]
        )
        task = {"spec": data.spec.name, "mix": mix.name, "data": str(data.folder) if data.folder else None}
        return self._add("mix", name, cell, {"mix": content}, [], task, needs.mix(mix, float(size)))

    @cached_property
    def _raw_files(self) -> dict[str, str | None]:
        """The SHA-256 of every raw file by its relative path; None for a source without any."""
        assert self.study.data is not None  # noqa: S101
        folder, found = self.study.data.folder, dict[str, str | None]()
        for source in self.study.data.spec.spec.sources:
            names = raw_files(source, folder)
            found |= {name: self._content(folder / name) for name in names if folder}
            found |= {} if names else {source.path or source.hub or source.name: None}
        return found

    def _recipe_content(self, recipe: StudyRecipe, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of a recipe changes its result, with the content of files in place of their paths."""
        left_out = set() if any(config.get(name) for name in _TAKES_THE_BEST) else set(_ON_THE_WAY)
        kept = {name: each for name, each in config.items() if name not in {*left_out, "base_model"}}
        files = {} if recipe.row else named_files(kept, Path("/"))
        contents = {text: self._content(path) for text, path in files.items() if Path(text).is_absolute()}
        return {**replaced(kept, contents), "base_model": self._model_digest(recipe.base)}

    def _model_digest(self, model: str) -> str:
        """Return what names a model: the content of a folder, else its name on the hub."""
        if model == TINY_MODEL:
            return self._content(tiny_model_dir())
        return self._content(Path(model)) if Path(model).is_absolute() else model

    def _content(self, path: Path) -> str:
        """Return what names the content of a file, or of a folder without its hidden files and its README."""
        if path not in self._contents:
            shown = (each for each in sorted(path.rglob("[!.]*")) if each.is_file() and each.name != "README.md")
            hashes = [[each.relative_to(path).as_posix(), sha256_file(each)] for each in shown]
            self._contents[path] = sha256_file(path) if path.is_file() else sha256_json(hashes)
        return self._contents[path]

    @cached_property
    def _contents(self) -> dict[Path, str]:
        return {}

    def _gpus(self, otherwise: int | None) -> int | None:
        """Return the GPUs of an evaluation: as the study says, else as the engine is told, else `otherwise`."""
        engine = self.study.engine
        if engine.gpus is not None or otherwise == 0:
            return otherwise if engine.gpus is None else engine.gpus
        told = [engine.model_args.get(f"{kind}_parallel_size") for kind in ("tensor", "data")]
        sizes = [each for each in told if isinstance(each, int) and each > 0]
        return sizes[0] * sizes[-1] ** (len(sizes) - 1) if sizes else None


def _trusts(recipe: StudyRecipe) -> bool:
    return bool(recipe.config.get("trust_remote_code"))


def resources(need: Need, executor: str | None) -> dict[str, Any]:
    """Return what a step asks of an executor, by the names that its plugin has for it."""
    asked: dict[str, Any] = {"threads": 1, "mem_mb": need.memory_mb, "runtime": need.minutes}
    if not need.gpus:
        return asked
    if executor:
        asked["threads"] = _CORES_A_GPU * need.gpus
    if executor == "slurm":
        # With the plugin's own `gpu` a job of several GPUs becomes several tasks, each with one of them.
        return {**asked, "nodes": 1, "slurm_extra": f"--gres=gpu:{need.gpus}"}
    return {**asked, "gpu": need.gpus, "gpu_manufacturer": "nvidia"}
