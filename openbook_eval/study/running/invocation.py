"""How Snakemake is called: its command line and its environment, for this machine or for a cluster."""

import getpass
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openbook_eval.study.running.doing import CARDS, JOBS, ORIGIN, train
from openbook_eval.study.running.submissions import LOCAL, Profile


@dataclass(frozen=True, slots=True)
class Invocation:
    """What Snakemake is to do in the folder `work`, with how many steps at once, None being as the profile says.

    `cards` are those of this machine, `launcher` that of the training environment, where one is needed.
    """

    work: Path
    jobs: int | None
    profile: Profile | None
    cards: tuple[str, ...]
    launcher: Path | None

    def command(self, graph: Path, to_do: Path, snakefile: Path) -> list[str]:
        """The command for a graph, and what is to be done of it."""
        executor = self.profile.executor if self.profile else LOCAL
        module = "openbook_eval.study.running.shared_volume" if executor == "kubernetes" else "snakemake"
        told = {"graph": graph, "to_do": to_do, "executor": executor, "work": self.work}
        return [
            *(sys.executable, "-P", "-m", module, "--snakefile", str(snakefile), "--directory", str(self.work)),
            *("--config", *(f"{name}={value}" for name, value in told.items())),
            # Locks and what was done when are our own affair: keys say what is done, and a kill leaves no lock behind.
            *("--keep-going", "--nolock", "--rerun-triggers", "input", "--rerun-incomplete", "--drop-metadata"),
            # A receipt counts, even where a cluster takes its job for lost.
            "--keep-incomplete",
            *("--scheduler", "greedy", "--workflow-profile", "none", "--nocolor"),
            *self._where(),
        ]

    def _where(self) -> Sequence[str]:
        if self.profile:
            return ["--profile", str(self.profile.folder), *(["--jobs", str(self.jobs)] if self.jobs else [])]
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
        limits = ["--resources", f"gpu={len(self.cards)}", f"mem_mb={memory}"]
        return ["--profile", "none", "--cores", str(self._at_once), *limits]

    @property
    def _at_once(self) -> int:
        return self.jobs or len(os.sched_getaffinity(0))

    def environment(self) -> dict[str, str]:
        """The environment of Snakemake and of all steps."""
        # The plugin of Slurm reads USER, which containers may not set.
        told = {"USER": getpass.getuser(), **os.environ, ORIGIN: str(Path.cwd())}
        for name in (CARDS, JOBS):
            told.pop(name, None)
        if not self.profile:
            told |= {CARDS: ",".join(self.cards), JOBS: str(self._at_once)}
        if self.launcher:
            told[train.VARIABLE] = str(self.launcher.parent.parent)
        return told
