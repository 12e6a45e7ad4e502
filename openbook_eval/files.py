"""Read and write files: each way once, for the whole project; a user error is an OpenbookError of one line."""

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import yaml

from openbook_eval.errors import ExamError, OpenbookError, Row, validation_messages

_PRIVATE_USE = re.compile("[\ue000-\uf8ff]")
# What PyYAML raises for a text: the last four where a value is not what an explicit tag says it is.
_BROKEN_YAML = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError)


def decode(data: bytes, label: str) -> str:
    """Decode a text file in UTF-8 (with or without BOM), UTF-16 with BOM, or gb18030, as Chinese files come.

    Raises ExamError that names the file by `label` and the line that is none of these.
    """
    try:
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        failure = ExamError(f"{label}: line {line} is neither UTF-8 nor gb18030; save the file as UTF-8")
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        raise failure from None
    # Big5 and others decode as gb18030 too, but into characters that no Chinese text contains.
    if _PRIVATE_USE.search(text):
        raise failure
    return text


def read_text(path: Path) -> str:
    """Read a UTF-8 file. Raises OpenbookError where it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise OpenbookError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from error


def _unreadable(path: Path, error: OSError) -> OpenbookError:
    return OpenbookError(f"{path}: cannot be read ({error.strerror}); check that it is a file you may read")


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that readers see the old one or the new one; missing folders are created.

    The file keeps the permissions of the one it replaces. Raises OpenbookError where it cannot be written.
    """
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    target = path.resolve() if path.is_symlink() else path
    beside = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        beside = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(target)
    except BaseException as error:
        if beside:
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OpenbookError(f"{path}: cannot be written ({error.strerror or error})") from error
        raise


def check_place(path: Path, fix: str = "name another file") -> None:
    """Raise OpenbookError, with what to do, where no file or folder can be made at `path`; nothing is left there."""
    folder = next(each for each in path.absolute().parents if each.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be written ({error.strerror}); {fix}") from error


@contextmanager
def replace_folder(out: Path, fix: str = "name another folder") -> Iterator[Path]:
    """Yield a new folder that takes the place of `out` where the block ends without an error.

    Raises OpenbookError, with what to do, where the file system refuses anything in the block.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as building:
            # Not the temporary folder itself: only its owner may look into that.
            new = Path(building) / "new"
            new.mkdir()
            yield new
            # Systems know no exchange of folders: for a moment there is neither.
            if out.exists():
                out.rename(Path(building) / "old")
            new.rename(out)
    except OSError as error:
        # shutil gives no single reason for several files.
        reason = error.strerror or f"{type(error).__name__}: {error}"
        place = f": {error.filename}" if error.filename else ""
        raise OpenbookError(f"{out}: cannot be written ({reason}{place}); {fix}") from error


def append_json_line(path: Path, record: object) -> None:
    """Append one record to a JSON Lines file in a single write, so that records of several processes never mix.

    Raises OpenbookError where it cannot be written whole.
    """
    line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            # Behind a line that a kill has torn this one would be lost. In the midst of another process's write the
            # last line looks torn as well: that leaves a blank line and does no harm.
            size = os.fstat(file).st_size
            line = line if size == 0 or os.pread(file, 1, size - 1) == b"\n" else b"\n" + line
            if os.write(file, line) < len(line):
                raise OSError(errno.ENOSPC, "the disk is full")
        finally:
            os.close(file)
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be written ({error.strerror or error})") from error


def read_json_lines(path: Path) -> Iterator[Any]:
    """Read the records of a JSON Lines file in order; none where there is no such file.

    Lines that a kill has torn are passed over. Raises OpenbookError where the file cannot be read.
    """
    import jsonlines

    try:
        with path.open("rb") as file, jsonlines.Reader(file, loads=orjson.loads) as reader:
            yield from reader.iter(skip_empty=True, skip_invalid=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror}); move it away") from error


def canonical_json(value: object) -> bytes:
    """Return the JSON of a value, the same bytes for equal values. Raises ValueError or TypeError if it has none."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def sha256(content: bytes | str) -> str:
    """Return the SHA-256 of bytes or of a text's UTF-8, in hex."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    return sha256(canonical_json(value))


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex. Raises OpenbookError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


class _Plain(yaml.SafeLoader):  # type: ignore[misc]
    """Load values as YAML 1.1 has them, but for ratios; refuse aliases and keys that stand twice.

    A number with a colon is text: YAML 1.1 reads the ratio 9:1 as 541, in base 60; people do not.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        # Aliases of aliases would take all memory once they are written out.
        if self.check_event(yaml.AliasEvent):
            raise _yaml_error("an alias (*) is not read here; write its value out", self.peek_event().start_mark)
        return super().compose_node(parent, index)


_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_Plain.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile(rf"(?!.*:)(?:{pattern.pattern})", re.VERBOSE) if tag in _NUMBERS else pattern)
        for tag, pattern in resolvers
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml_error(text: str, mark: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, text, mark)


def _unique_mapping(loader: Any, node: Any) -> dict[object, object]:
    keys = [key.value for key, _ in node.value]
    for key, _ in node.value:
        # PyYAML takes the last one and says nothing.
        if isinstance(key.value, str) and keys.count(key.value) > 1:
            raise _yaml_error(f"key {key.value!r} stands twice; leave one", key.start_mark)
    mapping: dict[object, object] = loader.construct_mapping(node, deep=True)
    return mapping


_Plain.add_constructor("tag:yaml.org,2002:map", _unique_mapping)


def load_yaml(path: Path) -> dict[str, Any]:
    """Load the mapping in a YAML file; keys must be texts and stand once, aliases are refused, 9:1 is a text.

    Raises OpenbookError of one line where the file cannot be read, is not YAML, or is no mapping.
    """
    try:
        found = yaml.load(read_text(path), Loader=_Plain)  # noqa: S506 (a SafeLoader)
    except RecursionError as error:
        raise OpenbookError(f"{path}: nested too deeply") from error
    except _BROKEN_YAML as error:
        raise OpenbookError(f"{path}: not YAML ({_yaml_reason(error)})") from error
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise OpenbookError(f"{path}: is no mapping of keys to values; write KEY: VALUE lines")
    return dict(found)


def load_model(path: Path, kind: type[Row], context: object = None, **defaults: object) -> Row:
    """Load a YAML file as a pydantic model, with `defaults` for keys that it leaves out.

    Raises OpenbookError with every fault of the file, each on a line where there are several.
    """
    from pydantic import ValidationError

    content = {**defaults, **load_yaml(path)}
    try:
        return kind.model_validate(content, context=context)
    except ValidationError as error:
        faults = validation_messages(error, kind)
    head = f"{len(faults)} faults:\n  " if len(faults) > 1 else ""
    raise OpenbookError(f"{path}: {head}" + "\n  ".join(faults))


def _yaml_reason(error: Exception) -> str:
    if mark := getattr(error, "problem_mark", None):
        return f"line {mark.line + 1}: {getattr(error, 'problem', None)}"
    return " ".join(str(error).split())
