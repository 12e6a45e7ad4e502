"""From a spec to folders of mixes, in two passes: every part by itself, then each mix from the index of all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data_prep.building import reporting, work
from data_prep.building.examining import Rules
from data_prep.building.exams import Exams, load_exams
from data_prep.building.inputs import hashing
from data_prep.building.jobs import Job, all_parts, jobs
from data_prep.building.order import Order
from data_prep.building.pool import examine_all, meanwhile, workers
from data_prep.building.progress import step
from data_prep.building.selecting import Selected, select
from data_prep.building.shards import Shards, index
from data_prep.building.writing import recounted, with_tokens, write_mix
from data_prep.decontamination import Guard
from data_prep.manifest import Build, Contamination, Flow, Input, Manifest, canonical_spec
from data_prep.mixing import Chosen, choose_all, nesting
from data_prep.spec import Mix, Spec
from data_prep.tokens import counter
from openbook_eval.errors import OpenbookError

# Bytes that make a worker process worth its while.
LEAST = 8 << 20


@dataclass(frozen=True, slots=True)
class Built:
    """What a build came to. `breaks` tells of each source where its files are not as they should be, if anywhere."""

    mixes: Mapping[str, Manifest]
    sources: Mapping[str, Flow]
    exams: Exams
    breaks: Mapping[str, Sequence[str]]


def build(order: Order, notify: Callable[[str], None] = lambda _: None) -> Built:
    """Builds the mixes of an order; `notify` gets what the user should know before the end.

    Raises OpenbookError. What was finished of the first pass is kept then, and used by the next build.
    """
    spec, mixes = order.whole_spec(), order.mixes()
    count = counter(spec.tokenizer) if spec.tokenizer else None
    todo = jobs(all_parts(spec.sources, order.data))
    with work.held(order.out), _writing_to(order.out), workers(_processes(order, todo)) as pool:
        place, inputs, exams = _first_pass(todo, order, spec, pool, notify)
        with Shards(place) as shards:
            selected = _selected(todo, spec, place, shards)
            flows = reporting.flows(todo, place, selected)
            # What is left out is written while the mixes are chosen and written.
            left_out = meanwhile(pool, reporting.write, order.out, todo, place, selected.duplicates, bool(exams.read))
            chosen = _chosen(selected.kept, mixes, spec, shards, count)
            shared = Build.of(spec, inputs, flows, _contamination(spec, exams, flows), order.scale)
            manifests = _write_mixes(order.out, chosen, shared, shards, pool)
            with step("writing what is left out"):
                left_out.result()
            breaks = reporting.breaks(todo, place)
        if not order.keep:
            work.clear(order.out)
    return Built(manifests, flows, exams, breaks)


def _processes(order: Order, todo: Sequence[Job]) -> int:
    """No more than have enough to do to make up for their start, which takes a second."""
    return max(1, min(order.processes, sum(job.bytes for job in todo) // LEAST))


@contextmanager
def _writing_to(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        # polars passes on some errors of the system as its own.
        if not isinstance(error, OSError) and "os error" not in str(error):
            raise
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise OpenbookError(
            f"{out}: cannot be written ({reason}); mend that and run again: what was finished is kept"
        ) from error


def _exams(spec: Spec, *, required: bool) -> Exams:
    return load_exams(spec.decontaminate.exams, required=required) if spec.decontaminate else Exams()


def _determined_by(spec: Spec, inputs: Sequence[Input], exams: Exams) -> object:
    content = canonical_spec(spec)
    return {
        "sources": content["sources"],
        "clean": content["clean"],
        "polars": pl.__version__,
        "inputs": sorted([each.source, each.file, each.sha256] for each in inputs),
        "exams": exams.provenance(),
    }


def _first_pass(
    todo: Sequence[Job], order: Order, spec: Spec, pool: ProcessPoolExecutor | None, notify: Callable[[str], None]
) -> tuple[work.Work, list[Input], Exams]:
    """Reads and judges all rows into the work folder; returns it, the files that were read, and the exams."""
    paths = {(part.source.name, part.label): part.file for job in todo for part in job.parts}
    with hashing(paths) as inputs_of:
        exams = _exams(spec, required=bool(order.exams))
        for name, reason in exams.lacking.items():
            notify(f"exam {name}: NOT CHECKED; {reason}")
        with step("hashing the files"):
            rules = Rules(spec.clean, Guard.of(exams.read) if exams.read else None)
            inputs = inputs_of()
        place = work.Work.of(order.out, _determined_by(spec, inputs, exams))
        with step("reading the sources", sum(job.bytes for job in todo)) as advance:
            examine_all(todo, rules, place, pool, lambda job: advance(job.bytes))
    return place, inputs, exams


def _selected(todo: Sequence[Job], spec: Spec, place: work.Work, shards: Shards) -> Selected:
    with step("looking for duplicates"):
        return select(index(todo, place), spec.seed, spec.deduplicate.near, shards.texts)


def _chosen(
    kept: pl.DataFrame,
    mixes: Mapping[str, Mix],
    spec: Spec,
    shards: Shards,
    count: Callable[[Sequence[str]], list[int]] | None,
) -> dict[str, Chosen]:
    """The rows of every mix. Tokens are counted for the rows chosen only, where the choice does not hang on them."""
    if count is None:
        return choose_all(kept, mixes, spec.seed)
    with step("counting tokens"):
        if any(mix.over == "tokens" for mix in mixes.values()):
            return choose_all(recounted(kept, shards, count), mixes, spec.seed)
        chosen = choose_all(kept, mixes, spec.seed)
        rows = pl.concat([each.rows for each in chosen.values()]).unique("key", maintain_order=True)
        counted = recounted(rows, shards, count)
        return {name: with_tokens(each, counted) for name, each in chosen.items()}


def _contamination(spec: Spec, exams: Exams, flows: Mapping[str, Flow]) -> Contamination | None:
    if not spec.decontaminate:
        return None
    rows = sum(flow.contaminated for flow in flows.values())
    return Contamination(exams=exams.provenance(), rows=rows, report=reporting.CONTAMINATION)


def _write_mixes(
    out: Path, chosen: Mapping[str, Chosen], shared: Build, shards: Shards, pool: ProcessPoolExecutor | None
) -> dict[str, Manifest]:
    rows = {name: each.rows for name, each in chosen.items()}
    nested = nesting(rows) if len(rows) > 1 else {name: {} for name in rows}
    with step("writing the mixes", sum(each.height for each in rows.values())) as advance:
        return {
            name: write_mix(out / name, each, shared, nested[name], shards, pool, advance)
            for name, each in chosen.items()
        }
