"""A Hub that does things wrong, as networks, proxies and full servers do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.helpers.hub_server import HubHandler, HubServer


@dataclass(frozen=True)
class Fault:
    """What is wrong with the answers about one file.

    Attributes:
        status: status of the answers, 0 for the right one.
        headers: further headers of answers with a status.
        content: what is sent instead of the content, under its checksum; None for the right one.
        only_content: whether questions about the file (HEAD) are answered rightly.
        times: how many times it happens.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    only_content: bool = False
    times: int = 1_000_000


class FaultyHub(HubServer):
    """A Hub with faults by the name of the file; they can be added and removed while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, Fault] = {}
        self.counts: dict[str, int] = {}
        self._server.RequestHandlerClass = type("FaultyBoundHandler", (_FaultyHandler,), {"hub": self})

    def take_fault(self, name: str, verb: str) -> Fault | None:
        """Returns the fault of an answer, if it has one."""
        fault = self.faults.get(name)
        if fault is None or (verb == "HEAD" and (fault.only_content or fault.content is not None)):
            return None
        self.counts[name] = self.counts.get(name, 0) + 1
        return fault if self.counts[name] <= fault.times else None


class _FaultyHandler(HubHandler):
    hub: FaultyHub  # type: ignore[misc]

    def serve_content(self, content: bytes, headers: dict[str, str]) -> None:
        fault = self.hub.take_fault(self.path.rsplit("/", 1)[1], self.command)
        if fault is None:
            super().serve_content(content, headers)
        elif fault.status:
            self.answer(fault.status, b"<html>an error</html>", fault.headers)
        else:
            super().serve_content(fault.content or b"", headers)
