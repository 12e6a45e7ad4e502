"""From a study to its graph: every cell becomes steps, and steps that come to the same are one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from data_prep.manifest import TRAIN
from openbook_eval.errors import OpenbookError
from openbook_eval.models.endpoints import endpoints
from openbook_eval.models.profiles import named
from openbook_eval.study.cells import Cell, Mix, cells_of, safe, sources
from openbook_eval.study.file import models
from openbook_eval.study.file.exams import conditions
from openbook_eval.study.file.named_files import named_files
from openbook_eval.study.file.recipes import Recipe
from openbook_eval.study.file.study_file import Examinee, Study
from openbook_eval.study.hashing import Hashes, digest, folder_digest
from openbook_eval.study.planning import costs
from openbook_eval.study.planning.costs import Need
from openbook_eval.study.planning.keys import key
from openbook_eval.study.steps import Graph, Kind, Step
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.training.recipes import TINY_MODEL

# The files of the tiny model that make a model of it; its card says no more than they do.
_CARD = "README.md"


def graph_of(study: Study, hashes: Hashes | None = None) -> Graph:
    """The graph of a study; `hashes` keep what was read of raw files before.

    Raises OpenbookError where two cells of a table are one training, or a file that a step is made from cannot be read.
    """
    return graph_with_needs(study, hashes)[0]


def graph_with_needs(study: Study, hashes: Hashes | None = None) -> tuple[Graph, Mapping[str, Need]]:
    """The graph of a study, and what each step is expected to need, by its id; raises as `graph_of` does."""
    making = _Making(study, hashes or Hashes())
    cells = cells_of(study)
    for cell, source in sources(study):
        if isinstance(source, Recipe):
            making.trained(cell, source)
        else:
            making.as_it_is(cell, source)
    _refuse_twins(making.steps.values(), {cell.name: cell.table for cell in cells}, study.name)
    return Graph(study.name, study.title, cells, tuple(making.steps.values())), making.needs


def _refuse_twins(steps: Iterable[Step], table_of: Mapping[str, int | None], study: str) -> None:
    """Raises OpenbookError where two cells of a table are one sitting: it would count as two seeds."""
    for step in steps:
        seen: dict[int | None, str] = {}
        for name in step.cells if step.kind == "exam" else ():
            if (first := seen.setdefault(table_of[name], name)) != name:
                raise OpenbookError(f"study {study}: {first} and {name} are the same training; leave one of them out")


@dataclass
class _Making:
    study: Study
    hashes: Hashes
    steps: dict[tuple[Kind, str], Step] = field(default_factory=dict)
    needs: dict[str, Need] = field(default_factory=dict)

    def trained(self, cell: Cell, recipe: Recipe) -> None:
        """The steps of a cell that is trained: its mix, its base, the training, the merge where it is one, the exam."""
        assert cell.mix is not None  # noqa: S101 (sources says so)
        mix = self._mix(cell, cell.mix)
        base = [self._base(cell)] if recipe.trains_examinee else []
        weights = self._examinee_bytes if base else None
        config = self._recipe(cell, recipe)
        files = self._named_files(recipe, config)
        what = {"recipe": config, "base_digest": self._local(recipe.base), "files": files}
        train = self._add("train", cell, [mix, *base], what, costs.training_need(recipe, cell.mix, weights))
        size, subject, needs = costs.size_of(recipe.base), "merged", [train]
        if recipe.is_adapter and self.study.examine == "merged":
            needs = [self._add("merge", cell, [train], {}, costs.merge_need(size, weights))]
        elif recipe.is_adapter:
            subject, needs = "adapter", [train, *base]
        # What no card trains, no card is needed to examine.
        cards = self._cards(None if recipe.on_gpu else 0)
        self._exam(cell, needs, subject, recipe.base, costs.exam_need(size, self.study.exam, self._asked, cards))

    def as_it_is(self, cell: Cell, examinee: Examinee) -> None:
        """The exam of a model that is not trained."""
        exam, asked = self.study.exam, self._asked
        if examinee.endpoint:
            at_once = endpoints()[examinee.endpoint]["num_concurrent"]
            self._exam(cell, [], "endpoint", cell.model, costs.answers_need(exam, asked, at_once))
            return
        subject, needs, cards, size = "hub", [], self._cards(None), costs.size_of(cell.model)
        if examinee.profile:
            subject, size = "profile", named(examinee.profile)[1]
        elif cell.model == TINY_MODEL:
            subject, needs, cards = "base", [self._base(cell)], self._cards(0)
        self._exam(cell, needs, subject, cell.model, costs.exam_need(size, exam, asked, cards))

    def _mix(self, cell: Cell, mix: Mix) -> Step:
        what, raw = self._mixes.get(mix.name) or self._mix_what(mix)
        self._mixes[mix.name] = what, raw
        return self._add("mix", cell, [], what, costs.mix_need(mix, raw), mix.name)

    @cached_property
    def _mixes(self) -> dict[str, tuple[dict[str, Any], float]]:
        return {}

    def _mix_what(self, mix: Mix) -> tuple[dict[str, Any], float]:
        data = self.study.data
        assert data is not None  # noqa: S101 (a mix is of a spec)
        folder, files = data.folder, self._raw_files
        what = {
            "spec": data.spec.name,
            "mix": mix.name,
            "data": str(folder) if folder else None,
            "spec_digest": data.spec.digest(mix.name),
            "sources": files,
        }
        return what, float(sum(path.stat().st_size for name in files if folder and (path := folder / name).is_file()))

    @cached_property
    def _raw_files(self) -> dict[str, str | None]:
        """The sha256 of every raw file, by its path in the folder of raw files; None of a source without any there."""
        data = self.study.data
        assert data is not None  # noqa: S101 (a mix is of a spec)
        found: dict[str, str | None] = {}
        for source in data.spec.sources:
            names = source.files(data.folder)
            found |= {name: self.hashes.of(data.folder / name) for name in names if data.folder}
            found |= {} if names else {source.path or source.hub or source.name: None}
        for path in data.spec.other_files:
            found[str(path)] = self._content(path)
        return found

    def _base(self, cell: Cell) -> Step:
        files = [path for path in tiny_model_dir().iterdir() if path.is_file() and path.name != _CARD]
        what = {"examinee": folder_digest((path.name, self.hashes.of(path)) for path in files)}
        return self._add("base", cell, [], what, costs.base_need(self._examinee_bytes), "examinee")

    @cached_property
    def _examinee_bytes(self) -> float:
        return float(sum(path.stat().st_size for path in tiny_model_dir().iterdir() if path.is_file()))

    def _recipe(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """The recipe with the cell's seed, and {base} and {mix} where the folders of the steps before it go."""
        left_out = ("dataset_prepared_path", "output_dir")
        config = {name: value for name, value in recipe.config.items() if name not in left_out}
        config["datasets"] = [{**recipe.config["datasets"][0], "path": f"{{mix}}/{TRAIN}"}]
        return {**config, "seed": cell.seed, "base_model": "{base}" if recipe.trains_examinee else recipe.base}

    def _named_files(self, recipe: Recipe, config: Mapping[str, Any]) -> dict[str, str]:
        """What names the content of every file or folder that a recipe names, by its path: templates, settings."""
        if recipe.cell is not None:
            return {}
        # A recipe that was read from a file has them in full.
        found = named_files(config, Path("/")).items()
        return {text: self._content(path) for text, path in found if Path(text).is_absolute()}

    def _content(self, path: Path) -> str:
        return self.hashes.of_folder(path) if path.is_dir() else self.hashes.of(path)

    def _local(self, model: str) -> str | None:
        """What names the content of a model's folder; None of a model on the hub, and of the tiny model."""
        return self.hashes.of_folder(Path(model)) if models.is_folder(model) else None

    def _exam(self, cell: Cell, needs: list[Step], subject: str, name: str, need: Need) -> None:
        engine, exam = self.study.engine, self.study.exam
        versions = conditions()
        local = subject in ("hub", "adapter")
        what = {
            "exam": exam.name,
            "exam_digest": exam.digest,
            "tasks": [f"cmed_{each}" for each in sorted(self._asked)],
            "task_versions": {f"cmed_{each}": versions[each] for each in self._asked},
            "model": "api-openbook" if subject == "endpoint" else engine.model,
            "model_args": {"profile": name} if subject == "endpoint" else dict(engine.model_args),
            "subject": subject,
            "name": name,
            "model_digest": self._local(name) if local else None,
            "asked_as": _entry(subject, name),
            "chat_template": engine.chat_template or subject in ("endpoint", "profile"),
            "batch_size": engine.batch_size,
        }
        self._add("exam", cell, needs, what, need)

    @property
    def _asked(self) -> tuple[str, ...]:
        return self.study.conditions

    def _cards(self, gpus: int | None) -> int | None:
        """Cards of an exam: as the study says, else as its engine is told, else `gpus`."""
        if self.study.engine.gpus is not None:
            return self.study.engine.gpus
        return gpus if gpus == 0 else costs.cards_of(self.study.engine.model_args) or gpus

    def _add(
        self, kind: Kind, cell: Cell, needs: list[Step], what: Mapping[str, Any], need: Need, name: str = ""
    ) -> Step:
        """The step of this kind that comes to the same, wanted by this cell as well; a new one where there is none.

        It is called after the cell, where it has no `name`.
        """
        own = key(kind, what, [step.key for step in needs])
        known = self.steps.get((kind, own))
        ids = tuple(step.id for step in needs)
        step = known or Step(kind, safe(name or cell.name), own, ids, (), what, need.resources())
        if cell.name not in step.cells:
            step = replace(step, cells=(*step.cells, cell.name))
        self.steps[kind, own] = step
        self.needs.setdefault(step.id, need)
        return step


def _entry(subject: str, name: str) -> str | None:
    """What names how a model of a profile or behind an endpoint is asked; None of any other."""
    if subject == "profile":
        return digest(named(name)[0].model_dump(mode="json"))
    if subject == "endpoint":
        return digest(dict(endpoints()[name]))
    return None
