"""Raw files from the Hugging Face hub, kept in its cache; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold as usual."""

from fnmatch import fnmatchcase as fnmatch
from pathlib import Path

from data_prep.sources.formats import patterns
from data_prep.spec import Format
from openbook_eval.errors import OpenbookError

# What the hub's own tools write beside the rows.
_UNWANTED = ["dataset_info*.json", "*.lock.json", "requirements*.txt", "LICENSE*", "README*"]


def fetch(name: str, declared: Format | None) -> list[tuple[str, Path]]:
    """Label and path of every file of a data set: `owner/name`, or `owner/name/PATTERN` for some files of it.

    Raises OpenbookError, with the way out, where the hub cannot be reached, has no such data set, or no such file.
    """
    from huggingface_hub import snapshot_download

    owner, _, rest = name.partition("/")
    short, _, pattern = rest.partition("/")
    dataset, wanted = f"{owner}/{short}", [pattern] if pattern else patterns(declared)
    try:
        folder = Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=wanted, ignore_patterns=_UNWANTED))
    except Exception as error:  # the client passes on the errors of its transport library, which changes
        reason = str(error).strip().partition("\n")[0]
        raise OpenbookError(
            f"hub data set {dataset}: cannot be fetched ({reason}); fetch its files elsewhere and name them by path"
        ) from error
    found = _matching(folder, wanted)
    if not found:
        raise OpenbookError(f"hub data set {dataset}: has no file that matches {pattern or 'a known format'}")
    return [(f"{dataset}/{file.relative_to(folder).as_posix()}", file) for file in found]


def _matching(folder: Path, wanted: list[str]) -> list[Path]:
    # The cache's folder may hold more: files of an earlier fetch by another pattern.
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
    return [
        file
        for name, file in files.items()
        if any(fnmatch(name, pattern) for pattern in wanted)
        and not any(fnmatch(name, pattern) for pattern in _UNWANTED)
    ]
