"""The work folder of a build: what is finished of pass 1, so that a build that was killed goes on where it stopped."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from data_prep.manifest import digest
from openbook_eval.errors import OpenbookError

_PREFIX = ".work-"
_CODE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Work:
    """A folder beside the output, named by all that pass 1 depends on."""

    folder: Path

    @classmethod
    def of(cls, out: Path, determined_by: object) -> "Work":
        """The work folder in `out` for a JSON value and this code; made where it is not there."""
        name = digest({"code": _code(), "by": determined_by})
        work = cls(out / f"{_PREFIX}{name[:16]}")
        work.folder.mkdir(exist_ok=True)
        for torn in work.folder.glob("*.part"):
            shutil.rmtree(torn)
        return work

    def place(self, number: int) -> Path:
        """The folder of a finished job."""
        return self.folder / f"{number:05}"

    @contextmanager
    def filling(self, number: int) -> Iterator[Path]:
        """An empty folder that becomes that of the job when all went well."""
        beside = self.folder / f"{number:05}.part"
        beside.mkdir()
        yield beside
        beside.rename(self.place(number))

    def finished(self, number: int) -> bool:
        """Whether a job is done."""
        return self.place(number).is_dir()


def clear(out: Path) -> None:
    """Removes the work folders in `out`, those of other builds as well."""
    for folder in out.glob(f"{_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Makes `out` and holds it against a second build; raises OpenbookError where one is under way, or it is a file."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OpenbookError(f"{out}: cannot be made or opened as a folder ({error.strerror})") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OpenbookError(f"{out}: another build is writing there; wait for it or name another folder") from error
    else:
        yield
    finally:
        os.close(handle)


def _code() -> str:
    """The hash of this package: other code may read or judge otherwise."""
    whole = sha256()
    for file in sorted(_CODE.rglob("*.py")):
        whole.update(file.read_bytes())
    return whole.hexdigest()
