"""Exam files from the Hugging Face hub, kept in its cache; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold as usual."""

from pathlib import Path

from openbook_eval.errors import ExamError

OPEN_BOOK_CMB = "wangrongsheng/open-book-CMB-exam"
CMB = "FreedomIntelligence/CMB"
_WANTED = ["*.json", "*.zip"]
# CMB's training questions are as large as all else together, and no exam.
_UNWANTED = ["*train*"]


def fetch(dataset: str) -> tuple[Path, str]:
    """Folder with the JSON and zip files of a hub data set, and the revision that they are of.

    Raises ExamError, with the ways out, where the hub cannot be reached or has no such data set.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(dataset, repo_type="dataset", allow_patterns=_WANTED, ignore_patterns=_UNWANTED)
        )
    except Exception as error:  # the client passes on the errors of its transport library, which changes
        reason = str(error).strip().partition("\n")[0]
        raise ExamError(
            f"hub data set {dataset}: cannot be fetched ({reason}); "
            "set OPENBOOK_EXAM=mini for the bundled exam, or OPENBOOK_EXAM=PATH to a folder, zip or file that you have"
        ) from error
    # The cache keeps each revision in a folder called by its commit.
    return folder, folder.name
