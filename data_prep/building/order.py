"""What is to be built and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.building.reporting import CONTAMINATION, DROPPED_FOLDER
from data_prep.mixing import scaled
from data_prep.spec import Decontamination, Mix, Spec
from openbook_eval.errors import OpenbookError, did_you_mean


@dataclass(frozen=True, slots=True)
class Order:
    """A spec, the folder that paths of its sources start from, and the folder to write to.

    `only` names the mixes wanted, all where it is empty. `exams` stand in for those of the spec, and must all be there;
    of the spec's, one that cannot be fetched is passed over and told.
    """

    spec: Spec
    data: Path
    out: Path
    scale: float = 1.0
    only: Sequence[str] = ()
    exams: Sequence[str] = ()
    processes: int = 2
    keep: bool = False

    def mixes(self) -> dict[str, Mix]:
        """The mixes wanted, scaled; raises OpenbookError as wanted_mixes does."""
        return wanted_mixes(self.spec, self.only, self.scale)

    def whole_spec(self) -> Spec:
        """The spec with the exams that rows are checked against."""
        if not self.exams:
            return self.spec
        return self.spec.model_copy(update={"decontaminate": Decontamination(exams=list(self.exams))})


def wanted_mixes(spec: Spec, only: Sequence[str], scale: float) -> dict[str, Mix]:
    """The mixes of a spec with these names, all where there are none, with their sizes times `scale`.

    Raises OpenbookError for a name that is none or is taken, and for a scale that leaves nothing.
    """
    if unknown := [name for name in only if name not in spec.mixes]:
        raise OpenbookError(f"--mix {unknown[0]}: no such mix; {did_you_mean(unknown[0], spec.mixes)}")
    if taken := [name for name in spec.mixes if name in (DROPPED_FOLDER, CONTAMINATION)]:
        raise OpenbookError(f"mix {taken[0]}: the build has something else of that name; call it otherwise")
    return scaled({name: mix for name, mix in spec.mixes.items() if not only or name in only}, scale)
