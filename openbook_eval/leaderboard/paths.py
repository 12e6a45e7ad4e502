"""Paths in what is published: where a run lay is nobody else's business."""

import re
from collections.abc import Mapping
from typing import Any

# A path of this machine, without its last two names: these tell models apart as OWNER/MODEL does on the hub.
_FOLDERS = re.compile(r"""(?<![^\s'"=(])(?:/[^/\s'",:]+)*?/((?:[^/\s'",:]+/)?[^/\s'",:]+)(?=/?(?:$|[\s'",:)]))""")


def without_folders(value: Any) -> Any:
    """JSON without the folders of this machine: of an absolute path in a text the last two names are left."""
    if isinstance(value, Mapping):
        return {name: without_folders(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_folders(each) for each in value]
    return _FOLDERS.sub(r"\1", value) if isinstance(value, str) else value
