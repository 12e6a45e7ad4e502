"""A small hub: serves folders as data sets over the calls that huggingface_hub makes to fetch a snapshot.

A data set is a folder, or a history of folders by revision. Files go through a redirect, as large ones do on the hub.
"""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote, unquote

from tests.local_server import LocalServer

_REVISION = re.compile(r"/api/datasets/([^/]+/[^/]+)/(?:revision|tree)/([^/?]+)")
_COMMIT = re.compile("[0-9a-f]{40}")
_STORE = "/store"
_FILE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)")


class HubServer(LocalServer):
    """Serves `datasets`; the commit of a revision that is none itself is made from its files.

    `refused` answers every request so; `cut` is the number of downloads that are broken off in the middle.
    """

    def __init__(self) -> None:
        self.datasets: dict[str, Path | dict[str, Path]] = {}
        self.requests: list[str] = []
        self.refused: int | None = None
        self.cut = 0
        super().__init__()
        self.url = self.address

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self._answer(request, with_body=request.command == "GET")

    def folder(self, name: str, revision: str) -> Path | None:
        found = self.datasets.get(name)
        if isinstance(found, dict):
            return found.get(revision) or next((f for r, f in found.items() if _digest(f) == revision), None)
        return found

    def commit(self, name: str, revision: str = "main") -> str:
        folder = self.folder(name, revision)
        return revision if _COMMIT.fullmatch(revision) or not folder else _digest(folder)

    def _answer(self, request: BaseHTTPRequestHandler, *, with_body: bool) -> None:
        path = unquote(request.path)
        self.requests.append(" ".join(filter(None, (request.command, path, request.headers.get("Range")))))
        if self.refused:
            _send(request, b"", {}, with_body, self.refused)
        elif (found := _REVISION.match(path)) and self.folder(found.group(1), found.group(2)):
            listing = self._listing(found.group(1), found.group(2), "/tree/" in path)
            _send(request, json.dumps(listing).encode(), {}, with_body)
        elif (found := _FILE.match(path)) and (folder := self.folder(found.group(1), found.group(2))):
            name, revision, file = found.groups()
            self._send_file(request, folder / file, self.commit(name, revision), with_body)
        elif path.startswith(_STORE):
            self._send_large(request, Path(path.removeprefix(_STORE)), with_body)
        else:
            known = _REVISION.match(path) and _REVISION.match(path).group(1) in self.datasets  # type: ignore[union-attr]
            _send(request, b"", {"X-Error-Code": "RevisionNotFound" if known else "RepoNotFound"}, with_body, 404)

    def _listing(self, name: str, revision: str, as_tree: bool) -> object:
        folder = self.folder(name, revision)
        assert folder
        files = _files(folder)
        if as_tree:
            return [{"type": "file", "path": f, "size": 1, "oid": "0" * 40} for f in files]
        return {"id": name, "sha": self.commit(name, revision), "siblings": [{"rfilename": file} for file in files]}

    def _send_file(self, request: BaseHTTPRequestHandler, file: Path, commit: str, with_body: bool) -> None:
        data = file.read_bytes()
        etag = hashlib.sha256(data).hexdigest()
        headers = {"X-Repo-Commit": commit, "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data))}
        # Large files lie on another host.
        store = self.url.replace("127.0.0.1", "localhost") + _STORE
        _send(request, b"", {**headers, "Location": store + quote(str(file))}, with_body, 302)

    def _send_large(self, request: BaseHTTPRequestHandler, file: Path, with_body: bool) -> None:
        data = file.read_bytes()
        begin = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        etag = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        if with_body and self.cut and not begin:
            self.cut -= 1
            _send(request, data[: len(data) // 2], {**etag, "Content-Length": str(len(data))}, with_body)
            request.close_connection = True
            return
        part = {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if begin else {}
        _send(request, data[begin:], {**etag, **part}, with_body, 206 if begin else 200)


def _digest(folder: Path) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for file in _files(folder):
        digest.update(file.encode() + (folder / file).read_bytes())
    return digest.hexdigest()


def _files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _send(
    request: BaseHTTPRequestHandler, data: bytes, headers: dict[str, str], with_body: bool, status: int = 200
) -> None:
    request.send_response(status)
    for key, value in {"Content-Length": str(len(data)), **headers}.items():
        request.send_header(key, value)
    request.end_headers()
    if with_body:
        request.wfile.write(data)
