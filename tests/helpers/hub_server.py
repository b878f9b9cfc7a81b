"""A small Hugging Face Hub on this machine, for tests with the real client.

It speaks what `hf_hub_download`, `create_repo` and `upload_folder` ask: file resolution with commits, ETags
and ranges, error codes, bearer tokens, preupload, LFS batches and ndjson commits. Repositories live in
memory, every request is logged, and downloads can be cut off.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

from tests.helpers.hub_repository import LFS_SUFFIX, TOKEN, Cut, Refusal, Repository, Request, etag

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["TOKEN", "Cut", "HubServer"]


class HubServer:
    """The Hub; a context manager that serves in a thread.

    Attributes:
        repositories: by "org/name".
        requests: all requests so far, in order.
        cut: how to break off downloads; None leaves them alone.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.cut: Cut | None = None
        handler = type("BoundHandler", (HubHandler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuses connections from now on; may be called twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    @property
    def url(self) -> str:
        """Address for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def commit(
        self,
        repo: str,
        changes: Mapping[str, bytes | None],
        *,
        branch: str = "main",
        private: bool = False,
        gated: bool = False,
    ) -> str:
        """Commits to a repository, created if it does not exist, and returns the hash of the commit."""
        return self.repositories.setdefault(repo, Repository(private, gated)).commit(changes, branch)

    def downloads(self) -> list[str]:
        """Returns the names of the files whose content was asked for, in order."""
        return [
            request.path.rsplit("/", 1)[1]
            for request in self.requests
            if request.method == "GET" and "/resolve/" in request.path
        ]

    def take_cut(self) -> Cut | None:
        """Uses up one of the ordered cuts."""
        if self.cut is None or self.cut.times < 1:
            return None
        self.cut.times -= 1
        return self.cut


class HubHandler(BaseHTTPRequestHandler):
    """Answers one connection; a route is a verb, a pattern of the path and the method that serves it."""

    hub: ClassVar[HubServer]
    protocol_version = "HTTP/1.1"
    routes: ClassVar[list[tuple[str, str, str]]] = [
        ("HEAD|GET", r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)", "serve_file"),
        ("GET", r"/api/models/(?P<repo>[^/]+/[^/]+)(/revision/(?P<revision>[^/]+))?", "serve_info"),
        ("GET", r"/api/models/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)", "serve_tree"),
        ("POST", r"/api/repos/create", "create"),
        ("POST", r"/api/validate-yaml", "validate_card"),
        ("POST", r"/api/models/(?P<repo>[^/]+/[^/]+)/preupload/(?P<revision>[^/]+)", "preupload"),
        ("POST", r"/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch", "batch"),
        ("PUT", r"/uploads/(?P<oid>[0-9a-f]{64})", "upload"),
        ("POST", r"/api/models/(?P<repo>[^/]+/[^/]+)/commit/(?P<revision>[^/]+)", "commit"),
    ]

    def log_message(self, format: str, *args: object) -> None:
        """Keeps quiet."""

    def handle_request(self) -> None:
        """Logs the request, finds its route and turns refusals into answers."""
        path = urlsplit(self.path).path
        authorization = self.headers.get("Authorization", "")
        self.hub.requests.append(Request(self.command, path, self.headers.get("Range", ""), authorization))
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if authorization not in ("", f"Bearer {TOKEN}"):
                raise Refusal(401, message="Invalid credentials in Authorization header")
            serve, arguments = self.route(path)
            serve(**arguments)
        except Refusal as refusal:
            self.answer(refusal.status, b"", refusal.headers)

    do_GET = do_HEAD = do_POST = do_PUT = handle_request

    def route(self, path: str) -> tuple[Callable[..., None], dict[str, str]]:
        """Returns the method that serves a path, and its arguments."""
        for verbs, pattern, name in self.routes:
            match = re.fullmatch(pattern, path)
            if match and self.command in verbs.split("|"):
                found = {key: unquote(value) for key, value in match.groupdict().items() if value}
                return getattr(self, name), found
        raise Refusal(404, message=f"this Hub does not know {self.command} {path}")

    def answer(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Sends a whole answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def answer_json(self, values: object, status: int = 200) -> None:
        """Sends JSON."""
        self.answer(status, json.dumps(values).encode(), {"Content-Type": "application/json"})

    @property
    def authorized(self) -> bool:
        """Whether the request carries the token."""
        return bool(self.headers.get("Authorization"))

    def repository(self, repo: str) -> Repository:
        """Returns a repository that the caller may see."""
        found = self.hub.repositories.get(repo)
        if found is None or (found.private and not self.authorized):
            raise Refusal(404 if self.authorized else 401, "RepoNotFound", "Repository not found")
        return found

    def writable(self, repo: str) -> Repository:
        """Returns a repository that the caller may change."""
        if not self.authorized:
            raise Refusal(401, message="Invalid username or password.")
        return self.repository(repo)

    def commit_of(self, repository: Repository, revision: str) -> str:
        """Returns the commit behind a revision."""
        commit = repository.resolve(revision)
        if commit is None:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def serve_file(self, repo: str, revision: str, file: str) -> None:
        """HEAD and GET of a file at a revision."""
        repository = self.repository(repo)
        commit = self.commit_of(repository, revision)
        if repository.gated:
            raise Refusal(403 if self.authorized else 401, "GatedRepo", "Access is restricted")
        content = repository.trees[commit].get(file)
        if content is None:
            raise Refusal(404, "EntryNotFound", "Entry not found", commit)
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes", "ETag": f'"{etag(file, content)}"'}
        if file.endswith(LFS_SUFFIX):
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(content))}
        self.serve_content(content, headers)

    def serve_content(self, content: bytes, headers: dict[str, str]) -> None:
        """Sends the asked range of a file, or less of it when a cut is ordered."""
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or ["", "0"])[1])
        if start >= len(content) > 0:
            raise Refusal(416, message="Range not satisfiable")
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        is_weights = "X-Linked-Etag" in headers and self.command == "GET"
        cut = self.hub.take_cut() if is_weights else None
        if cut is None:
            self.answer(206 if start else 200, content[start:], headers)
        else:
            self.answer(
                206 if start else 200,
                content[start:][: cut.after],
                {**headers, "Content-Length": str(len(content) - start)},
            )
            self.break_off(cut.reset)

    def break_off(self, reset: bool) -> None:
        """Ends the connection in the middle of an answer."""
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    def serve_info(self, repo: str, revision: str = "main") -> None:
        """What is known about a repository at a revision."""
        repository = self.repository(repo)
        commit = self.commit_of(repository, revision)
        files = [{"rfilename": path} for path in sorted(repository.trees[commit])]
        self.answer_json(
            {"id": repo, "modelId": repo, "sha": commit, "private": repository.private, "siblings": files}
        )

    def serve_tree(self, repo: str, revision: str) -> None:
        """The files of a revision."""
        repository = self.repository(repo)
        tree = repository.trees[self.commit_of(repository, revision)]
        self.answer_json(
            [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in sorted(tree.items())
            ]
        )

    def create(self) -> None:
        """Makes a repository with one empty commit, as the Hub does."""
        if not self.authorized:
            raise Refusal(401, message="Invalid username or password.")
        wanted = json.loads(self.body)
        repo = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        if repo in self.hub.repositories:
            self.answer_json(
                {"error": "You already created this model repo", "url": f"{self.hub.url}/{repo}"}, 409
            )
            return
        private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        self.hub.commit(repo, {".gitattributes": b""}, private=private)
        self.answer_json({"url": f"{self.hub.url}/{repo}", "id": repo, "name": repo})

    def validate_card(self) -> None:
        """Checks that a model card begins with a block of metadata."""
        content = json.loads(self.body)["content"]
        valid = re.match(r"---\n(.+\n)*---\n", content) is not None
        errors = [] if valid else [{"message": "no metadata"}]
        self.answer_json({"errors": errors, "warnings": []}, 200 if valid else 400)

    def preupload(self, repo: str, revision: str) -> None:
        """Says which files go through LFS."""
        repository = self.writable(repo)
        self.commit_of(repository, revision)
        modes = [
            {
                "path": entry["path"],
                "uploadMode": "lfs" if entry["path"].endswith(LFS_SUFFIX) else "regular",
                "shouldIgnore": False,
            }
            for entry in json.loads(self.body)["files"]
        ]
        self.answer_json({"files": modes})

    def batch(self, repo: str) -> None:
        """Says where LFS files are to be put."""
        self.writable(repo)
        entries: list[dict[str, Any]] = []
        for wanted in json.loads(self.body)["objects"]:
            entry = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.uploads:
                entry["actions"] = {"upload": {"href": f"{self.hub.url}/uploads/{wanted['oid']}"}}
            entries.append(entry)
        self.answer_json({"transfer": "basic", "objects": entries})

    def upload(self, oid: str) -> None:
        """Takes an LFS file whose checksum is right."""
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refusal(400, message="checksum does not match")
        self.hub.uploads[oid] = self.body
        self.answer(200, b"")

    def commit(self, repo: str, revision: str) -> None:
        """Stores a commit sent as lines of JSON."""
        repository = self.writable(repo)
        self.commit_of(repository, revision)
        changes: dict[str, bytes | None] = {}
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                changes[value["path"]] = self.hub.uploads[value["oid"]]
            elif entry["key"] == "deletedFile":
                changes[value["path"]] = None
        sha = repository.commit(changes, revision)
        self.answer_json(
            {"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{repo}/commit/{sha}"}
        )
