"""Runs a program that dies when the one who runs it does, and whose children do too, its output going to a log."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# What names the leader of the group while it runs.
RUNNING = "running.pid"
_PR_SET_PDEATHSIG = 1
_GRACE = 15.0
_NO_ONE = "-"


def die_with_parent(sign: int = signal.SIGTERM) -> None:
    """Has the system send this process a signal when its parent ends, be it by kill -9; of Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, sign)


def run(line: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> int:
    """Runs a program in a folder with more in its environment; returns its exit code.

    It leads a group of processes of its own: when this process is asked to end, so is the whole group.
    """
    group = _Group(log.with_name(RUNNING))
    group.end_former()
    with log.open("ab") as out, group.ended_by_signals():
        out.write(f"$ {' '.join(line)}\n".encode())
        out.flush()
        process = subprocess.Popen(  # noqa: S603 (no shell, and the line is ours)
            line,
            env={**os.environ, **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        group.began(process.pid)
        code = process.wait()
    group.is_over()
    return code


class _Group:
    """The group of processes of a step, known by the one that leads it, whose number is kept in a file.

    Where the one who ran it was killed outright, the next one ends what it left: two would write the same files.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._leader = 0

    def began(self, leader: int) -> None:
        self._leader = leader
        self._file.write_text(f"{os.uname().nodename} {leader} {_birth(leader)}\n", encoding="utf-8")

    def is_over(self) -> None:
        self._file.unlink(missing_ok=True)

    def end_former(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            host, leader, birth = self._file.read_text(encoding="utf-8").split()
            # A number comes again, but not while a group is called by it: a leader of another birth is someone else's.
            if host == os.uname().nodename and _birth(int(leader)) in (birth, _NO_ONE):
                _end(int(leader))
        self._file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        def end(sign: int, _: object) -> None:
            if self._leader:
                _end(self._leader)
            sys.exit(128 + sign)

        before = {sign: signal.signal(sign, end) for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            yield
        finally:
            for sign, handler in before.items():
                signal.signal(sign, handler)


def _end(leader: int) -> None:
    """Asks a group to end, and makes it end where it does not in time."""
    for sign, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, sign)
        until = time.monotonic() + patience
        while _members(leader) and time.monotonic() < until:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(leader, os.WNOHANG)
            time.sleep(0.05)


def _stat(process: int) -> list[str]:
    """The fields of /proc/PROCESS/stat after the name, which may hold anything."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _birth(process: int) -> str:
    """When a process was born, in ticks since the machine was; _NO_ONE where there is none."""
    fields = _stat(process)
    return fields[19] if len(fields) > 19 else _NO_ONE


def _members(leader: int) -> list[int]:
    """The processes of a group that are not mere entries waiting to be asked for."""
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [number for number in numbers if (f := _stat(number)) and f[2] == str(leader) and f[0] != "Z"]
