"""What a small Hub keeps and says: repositories, requests, refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

TOKEN = "hf_token_of_the_test"
LFS_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Request:
    """One logged request.

    Attributes:
        method: HTTP verb.
        path: path without the query.
        range: value of the Range header, "" without one.
        authorization: value of the Authorization header, "" without one.
    """

    method: str
    path: str
    range: str
    authorization: str


@dataclass
class Repository:
    """A repository: whole trees by commit, commits by branch."""

    private: bool = False
    gated: bool = False
    trees: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, changes: Mapping[str, bytes | None], branch: str) -> str:
        """Adds a commit that changes files, or removes those given as None, and returns its hash."""
        parent = self.branches.get(branch, "")
        tree = {**self.trees.get(parent, {}), **changes}
        sha = hashlib.sha1(f"{parent} {len(self.trees)} {branch}".encode()).hexdigest()
        self.trees[sha] = {path: content for path, content in tree.items() if content is not None}
        self.branches[branch] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """Returns the commit behind a branch or a commit; None when there is none."""
        return self.branches.get(revision) or (revision if revision in self.trees else None)


@dataclass
class Cut:
    """How to break off downloads: after so many bytes, so many times, with a reset or a plain close."""

    after: int
    times: int
    reset: bool


class Refusal(Exception):
    """An error answer of the Hub."""

    def __init__(self, status: int, code: str = "", message: str = "", commit: str = "") -> None:
        super().__init__(status, code)
        headers = {"X-Error-Code": code, "X-Error-Message": message or code, "X-Repo-Commit": commit}
        self.status, self.headers = status, {name: value for name, value in headers.items() if value}


def etag(file: str, content: bytes) -> str:
    """Checksum as on the Hub: sha256 of LFS files, git's blob hash of others."""
    if file.endswith(LFS_SUFFIX):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
