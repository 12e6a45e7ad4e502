"""A small hub: serves folders as data sets over the calls that huggingface_hub makes to fetch a snapshot."""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

from tests.local_server import LocalServer

_REVISION = re.compile(r"/api/datasets/([^/]+/[^/]+)/(?:revision|tree)/([^/?]+)")
_FILE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)")


class HubServer(LocalServer):
    """Serves `datasets[name] = folder`; the commit of a data set is made from its files."""

    def __init__(self) -> None:
        self.datasets: dict[str, Path] = {}
        self.requests: list[str] = []
        super().__init__()
        self.url = self.address

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self._answer(request, with_body=request.command == "GET")

    def commit(self, name: str) -> str:
        digest = hashlib.sha1(usedforsecurity=False)
        for file in _files(self.datasets[name]):
            digest.update(file.encode() + (self.datasets[name] / file).read_bytes())
        return digest.hexdigest()

    def _answer(self, request: BaseHTTPRequestHandler, *, with_body: bool) -> None:
        path = unquote(request.path)
        self.requests.append(f"{request.command} {path}")
        if (found := _REVISION.match(path)) and found.group(1) in self.datasets:
            _send(request, json.dumps(self._listing(found.group(1), "/tree/" in path)).encode(), {}, with_body)
        elif (found := _FILE.match(path)) and found.group(1) in self.datasets:
            self._send_file(request, found.group(1), found.group(3), with_body)
        else:
            request.send_response(404)
            request.send_header("X-Error-Code", "RepoNotFound")
            request.send_header("Content-Length", "0")
            request.end_headers()

    def _listing(self, name: str, as_tree: bool) -> object:
        files = _files(self.datasets[name])
        if as_tree:
            return [{"type": "file", "path": f, "size": 1, "oid": "0" * 40} for f in files]
        return {"id": name, "sha": self.commit(name), "siblings": [{"rfilename": file} for file in files]}

    def _send_file(self, request: BaseHTTPRequestHandler, name: str, file: str, with_body: bool) -> None:
        data = (self.datasets[name] / file).read_bytes()
        etag = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        _send(request, data, {"ETag": f'"{etag}"', "X-Repo-Commit": self.commit(name)}, with_body)


def _files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _send(request: BaseHTTPRequestHandler, data: bytes, headers: dict[str, str], with_body: bool) -> None:
    request.send_response(200)
    for key, value in {"Content-Length": str(len(data)), **headers}.items():
        request.send_header(key, value)
    request.end_headers()
    if with_body:
        request.wfile.write(data)
