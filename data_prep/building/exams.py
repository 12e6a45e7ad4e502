"""The exams that a mix must not contain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openbook_eval.errors import ExamError
from openbook_eval.exams import ExamFile, load_exam

# What openbook_eval.exams.hub says where the hub cannot be reached or has no such data set.
_NOT_FETCHED = "hub data set "


@dataclass(frozen=True, slots=True)
class Exams:
    """Exams as read, and by name those that could not be fetched, with the reason: nothing is checked against them."""

    read: tuple[ExamFile, ...] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)

    def provenance(self) -> list[dict[str, str]]:
        """What the manifest says of every exam; the reason is left out, since it differs between machines."""
        lacking = [{"name": name, "not_checked": "could not be fetched"} for name in self.lacking]
        return sorted([*(exam.provenance for exam in self.read), *lacking], key=lambda exam: exam["name"])


def load_exams(names: Sequence[str], *, required: bool) -> Exams:
    """The exams of these names, as `openbook-eval` takes them.

    Raises ExamError where one cannot be read; where one cannot be fetched from the hub only if `required`.
    """
    read: list[ExamFile] = []
    lacking: dict[str, str] = {}
    for name in sorted(set(names)):
        try:
            read.append(load_exam(name))
        except ExamError as error:
            if required or not str(error).startswith(_NOT_FETCHED):
                raise
            lacking[name] = str(error).partition(";")[0]
    return Exams(tuple(read), lacking)
