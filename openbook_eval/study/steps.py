"""Steps: what a study does, each known by a key over all that makes its result; and the graph that they form."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from openbook_eval.errors import OpenbookError
from openbook_eval.study.cells import Cell, Mix

Kind = Literal["mix", "base", "train", "merge", "exam"]
# In the order in which they are done.
KINDS: tuple[Kind, ...] = get_args(Kind)

# What the last act of a step leaves in its folder: there means done. And what a step leaves that failed.
RECEIPT, FAILURE = "receipt.json", "failed.json"


@dataclass(frozen=True, slots=True)
class Resources:
    """What a step asks of a machine, with head-room: cards, memory and disk in MB (10^6 bytes), time in minutes."""

    gpus: int
    memory_mb: int
    minutes: int
    disk_mb: int


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work. `needs` are the ids of the steps before it, `cells` the names of those that want it.

    `key` is 12 hex digits over what makes the result; `what` is what the one who does the step is told.
    """

    kind: Kind
    name: str
    key: str
    needs: tuple[str, ...]
    cells: tuple[str, ...]
    what: Mapping[str, Any]
    resources: Resources

    @property
    def id(self) -> str:
        """The step's folder, seen from the folder that all steps work in."""
        return f"{self.kind}/{self.name}-{self.key}"


@dataclass(frozen=True, slots=True)
class Graph:
    """All steps of a study, those that are needed before those that need them."""

    study: str
    title: str
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]

    def to_json(self) -> str:
        """The graph as JSON, the same bytes for the same graph."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Graph":
        """The graph that `to_json` wrote; raises OpenbookError where the text is none."""
        try:
            plain = json.loads(text)
            cells, steps = tuple(map(_cell, plain["cells"])), tuple(map(_step, plain["steps"]))
            return cls(plain["study"], plain["title"], cells, steps)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise OpenbookError(
                f"not a graph of a study ({error}); have it written again: openbook-eval study"
            ) from None


def _cell(plain: Mapping[str, Any]) -> Cell:
    return Cell(**{**plain, "mix": plain["mix"] and Mix(**plain["mix"])})


def _step(plain: Mapping[str, Any]) -> Step:
    return Step(
        **{
            **plain,
            "needs": tuple(plain["needs"]),
            "cells": tuple(plain["cells"]),
            "resources": Resources(**plain["resources"]),
        }
    )


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a step failed when it was last tried, in one line; `log` as seen from the folder of all steps, or ""."""

    reason: str
    log: str


def failed(step: Step, work: Path) -> Failed | None:
    """What a step that failed has left, None where it did not fail; never raises for what is broken there."""
    try:
        told = json.loads((work / step.id / FAILURE).read_bytes())
        return Failed(" ".join(str(told["reason"]).split()), str(told.get("log") or ""))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Failed(f"failed, and {FAILURE} cannot be read", "")


def done(step: Step, work: Path) -> bool:
    """Whether a step's result is there."""
    return (work / step.id / RECEIPT).is_file()
