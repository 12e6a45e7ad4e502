"""What a study leans on beyond its steps: raw files, the hub, code of others, and providers that want money."""

from collections.abc import Iterator, Sequence

from openbook_eval.errors import some
from openbook_eval.models.profiles import named
from openbook_eval.study.file import specs
from openbook_eval.study.file.models import is_folder
from openbook_eval.study.file.study_file import Study
from openbook_eval.study.planning.costs import size_of
from openbook_eval.study.steps import Graph, Step
from openbook_eval.training.recipes import TINY_MODEL


def notices(study: Study, graph: Graph, todo: Sequence[Step]) -> Iterator[str]:
    """What should be known before the steps that are not done run, a line each."""
    if study.data and any(step.kind == "mix" for step in todo):
        folder = study.data.folder
        yield from specs.missing(study.data.spec, folder)
        if folder is None:
            yield "there is no folder of raw files: data-prep stops; name it by data: {folder: ...} or OPENBOOK_DATA"
    if study.exam.digest is None and any(step.kind == "exam" for step in todo):
        yield f"exam {study.exam.name}: read from the hub when it is sat; whether it can be fetched was not looked up"
    if strange := _of_files(study) if any(step.kind == "train" for step in todo) else []:
        yield (
            f"{len(strange)} {'recipe is' if len(strange) == 1 else 'recipes are'} not of our table ({some(strange)}): "
            "whether Axolotl knows every key is not looked up here: openbook-eval recipes check FILE"
        )
    models = _on_hub(graph, todo)
    if models:
        yield from _of_hub(models)
    yield from _of_their_code(study, models)
    yield from _of_providers(todo)


def _of_files(study: Study) -> list[str]:
    recipes = (recipe for group in study.groups for recipe in group.recipes if recipe.cell is None)
    return list(dict.fromkeys(recipe.name for recipe in recipes))


def _on_hub(graph: Graph, todo: Sequence[Step]) -> list[str]:
    """Models that the steps which are not done fetch, each once, by their names on the hub."""
    wanted = {name for step in todo for name in step.cells if step.kind in ("train", "merge", "exam")}
    asked = {step.cells[0] for step in todo if step.kind == "exam" and step.what["subject"] == "endpoint"}
    profiles = {step.cells[0] for step in todo if step.kind == "exam" and step.what["subject"] == "profile"}
    names = (
        named(cell.model)[1].hub if cell.name in profiles else cell.model
        for cell in graph.cells
        if cell.name in wanted - asked
    )
    return [name for name in dict.fromkeys(names) if name != TINY_MODEL and not is_folder(name)]


def _of_hub(models: Sequence[str]) -> Iterator[str]:
    sizes = [size for name in models if (size := size_of(name))]
    known = sum(2.0 * size.parameters for size in sizes) / 1e9
    unknown = f" and {len(models) - len(sizes)} of unknown size" if len(sizes) < len(models) else ""
    yield (
        f"{len(models)} {'model comes' if len(models) == 1 else 'models come'} from the hub and cannot be checked "
        f"before: {some(models)}; some {known:,.0f} GB{unknown} in its cache, unless there already"
    )


def _of_their_code(study: Study, models: Sequence[str]) -> Iterator[str]:
    strange = [name for name in models if (size := size_of(name)) and size.trust_remote_code]
    if strange and not study.engine.model_args.get("trust_remote_code"):
        yield (
            f"{len(strange)} of them run code of their authors ({some(strange)}): their exams fail until you have read "
            "it and set engine: {model_args: {trust_remote_code: true}}"
        )


def _of_providers(todo: Sequence[Step]) -> Iterator[str]:
    asked = [step.what["name"] for step in todo if step.kind == "exam" and step.what["subject"] == "endpoint"]
    if asked:
        yield (
            f"{len(asked)} {'model is' if len(asked) == 1 else 'models are'} asked through an API ({some(asked)}): no "
            "GPU-hours, but money; how much, says: openbook-eval run --model api-openbook --model_args profile=NAME "
            "--tasks cmed_openbook --apply_chat_template --dry-run"
        )
