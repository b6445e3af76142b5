"""Walk through what a GPT in ChatGPT needs of this kbm, from its public address to an answer.

Each step says that it is well, or what to do. What is called is the public address, as ChatGPT calls it, but from
this machine: that it can be reached from here does not prove that it can be from outside.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit

from kbm.domain.evaluation import GoldenState
from kbm.domain.gpt_actions import MAX_RESPONSE_CHARS, MAX_SECONDS, limits_broken
from kbm.domain.people import LoggedEntry
from kbm.ports import Clock
from kbm.services.needs import Golden, Releases

ENDS_SOON = timedelta(days=14)
_ANY_QUESTION = "Was ist neu? What is new? Quoi de neuf ?"


class SeenResponse(Protocol):
    """See :class:`kbm.providers.public_door.Seen`."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> Any: ...  # JSON
    @property
    def n_chars(self) -> int: ...
    @property
    def seconds(self) -> float: ...


class SeenCertificate(Protocol):
    """See :class:`kbm.providers.public_door.Certificate`."""

    @property
    def protocol(self) -> str: ...
    @property
    def ends(self) -> Any: ...  # a moment


class Door(Protocol):
    """See :class:`kbm.providers.public_door.PublicDoor`."""

    url: str

    def certificate(self) -> SeenCertificate | str: ...
    def call(
        self, method: str, path: str, *, key: str = "", body: Any = None, accept: str = ""
    ) -> SeenResponse | str: ...


class LoggedDecisions(Protocol):
    """See :class:`kbm.store.audit.Audit`."""

    def entries(self) -> list[LoggedEntry]: ...


class State(StrEnum):
    """How a step ended."""

    OK = "ok"
    TO_DO = "to do"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what was found, and what to do. ``gpt`` is empty where it is about all of them."""

    name: str
    state: State
    found: str
    do: str = ""
    gpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckChatGpt:
    """The use case with what it needs."""

    door: Door
    releases: Releases
    golden: Golden
    audit: LoggedDecisions
    clock: Clock

    def run(self, gpts: Sequence[str], *, key: str = "") -> Iterator[Step]:
        """Walk; *key* is one that a GPT would be given, empty to try without."""
        yield _address(self.door.url)
        yield self._tls()
        reached = self._reach()
        yield reached
        if reached.state is State.TO_DO:
            return
        for gpt in gpts:
            yield from self._gpt(gpt, key)

    def _tls(self) -> Step:
        if not self.door.url.startswith("https://"):
            do = "put a proxy with a certificate in front of kbm serve"
            return Step(name="tls", state=State.TO_DO, found="the address is not https", do=do)
        made = self.door.certificate()
        if isinstance(made, str):
            do = "ChatGPT takes TLS 1.2 or later with a certificate of a public authority for this very name"
            return Step(name="tls", state=State.TO_DO, found=made, do=do)
        left = made.ends - self.clock.now()
        found = f"{made.protocol}, certificate valid until {made.ends:%Y-%m-%d}"
        if left < ENDS_SOON:
            return Step(name="tls", state=State.TO_DO, found=found, do="renew the certificate")
        return Step(name="tls", state=State.OK, found=found)

    def _reach(self) -> Step:
        seen = self.door.call("GET", "/healthz")
        if isinstance(seen, str):
            do = "start kbm serve, and let the name of kbm.public_url lead to it"
            return Step(name="reachable", state=State.TO_DO, found=f"{self.door.url}: {seen}", do=do)
        if seen.status != 200 or not isinstance(seen.body, dict) or seen.body.get("status") != "ok":
            found = f"{self.door.url}/healthz answers {seen.status}, and not as kbm does"
            do = "let the proxy hand every path below kbm.public_url to kbm serve"
            return Step(name="reachable", state=State.TO_DO, found=found, do=do)
        return Step(name="reachable", state=State.OK, found=f"kbm {seen.body.get('version', '')} answers")

    def _gpt(self, gpt: str, key: str) -> Iterator[Step]:
        live = self.releases.live(gpt)
        version = str(live.version) if live else ""
        login, is_public = self._login(gpt, key)
        yield login
        yield self._schema(gpt, key)
        if not key and not is_public:
            do = "name a key that the GPT would be given: --key, or KBM_KEY"
            for name in ("question", "mcp"):
                yield Step(name=name, gpt=gpt, state=State.NOT_TRIED, found="it needs a key", do=do)
        else:
            yield self._question(gpt, key, version)
            yield self._mcp(gpt, key)
        yield from self._packs(gpt, version)

    def _login(self, gpt: str, key: str) -> tuple[Step, bool]:
        path, body = f"/gpts/{gpt}/actions/search", {"query": _ANY_QUESTION, "k": 1}
        without = self.door.call("POST", path, body=body)
        if not isinstance(without, str) and without.status in (200, 404):
            found = "anybody may ask, without a key"
            do = "" if without.status == 200 else f"nothing is published: kbm nightly {gpt}"
            state = State.TO_DO if do else State.OK
            return Step(name="login", gpt=gpt, state=state, found=found, do=do), True
        if isinstance(without, str) or without.status != 401:
            do = "see the log of kbm serve and of the proxy"
            found = f"without a key it answers {_said(without)}, not 401"
            return Step(name="login", gpt=gpt, state=State.TO_DO, found=found, do=do), False
        if not key:
            return Step(name="login", gpt=gpt, state=State.OK, found="without a key 401, as it should"), False
        given = self.door.call("POST", path, key=key, body=body)
        if isinstance(given, str) or given.status != 200:
            found = f"with the key it answers {_said(given)}"
            do = f"make a key for it: kbm keys create chatgpt --gpt {gpt}"
            return Step(name="login", gpt=gpt, state=State.TO_DO, found=found, do=do), False
        return Step(name="login", gpt=gpt, state=State.OK, found="without a key 401, with it 200"), False

    def _schema(self, gpt: str, key: str) -> Step:
        path = f"/gpts/{gpt}/openapi.json"
        for one in dict.fromkeys(["", key]):  # as ChatGPT's editor fetches it, then as the key's owner would
            seen = self.door.call("GET", path, key=one)
            if isinstance(seen, str) or seen.status != 200 or not isinstance(seen.body, dict):
                found = f"{path} answers {_said(seen)}"
                do = "let the proxy hand it through without a login of its own"
                return Step(name="schema", gpt=gpt, state=State.TO_DO, found=found, do=do)
            broken = limits_broken(seen.body, self.door.url)
            if broken:
                do = "set kbm.public_url to the address that ChatGPT calls; else it is a fault of kbm"
                return Step(name="schema", gpt=gpt, state=State.TO_DO, found="; ".join(broken), do=do)
        return Step(
            name="schema", gpt=gpt, state=State.OK, found=f"inside every limit: {self.door.url}{path}"
        )

    def _question(self, gpt: str, key: str, live: str) -> Step:
        question = self._any_question(gpt, key)
        seen = self.door.call("POST", f"/gpts/{gpt}/actions/ask", key=key, body={"question": question})
        name = "question"
        if isinstance(seen, str) or seen.status != 200 or not isinstance(seen.body, dict):
            found = f"it answers {_said(seen)}"
            return Step(
                name=name, gpt=gpt, state=State.TO_DO, found=found, do=f'try it here: kbm ask {gpt} "…"'
            )
        answered = str(seen.body.get("release"))
        found = (
            f"“{question[:60]}”: {seen.body.get('outcome')} from release {answered} in {seen.seconds:.1f} s"
        )
        if seen.seconds >= MAX_SECONDS or seen.n_chars >= MAX_RESPONSE_CHARS:
            found += f", {seen.n_chars:,} characters"
            do = f"ChatGPT waits {MAX_SECONDS} s and reads {MAX_RESPONSE_CHARS:,} characters"
            return Step(name=name, gpt=gpt, state=State.TO_DO, found=found, do=do)
        if answered != live:
            do = f"live here is {live or 'nothing'}: let kbm.public_url lead to this data folder"
            return Step(name=name, gpt=gpt, state=State.TO_DO, found=found, do=do)
        return Step(name=name, gpt=gpt, state=State.OK, found=found)

    def _any_question(self, gpt: str, key: str) -> str:
        """Take a golden question that is confirmed; without one, the title of some document will do."""
        for one in self.golden.all(gpt):
            if one.state is GoldenState.CONFIRMED:
                return one.question
        seen = self.door.call("POST", f"/gpts/{gpt}/actions/search", key=key, body={"query": _ANY_QUESTION})
        hits = seen.body.get("hits") if not isinstance(seen, str) and isinstance(seen.body, dict) else None
        return str(hits[0]["title"]) if hits else _ANY_QUESTION

    def _mcp(self, gpt: str, key: str) -> Step:
        hello = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "kbm doctor", "version": "1"},
            },
        }
        accept = "application/json, text/event-stream"
        seen = self.door.call("POST", f"/mcp/{gpt}", key=key, body=hello, accept=accept)
        if isinstance(seen, str) or seen.status != 200:
            found = f"/mcp/{gpt} answers {_said(seen)}"
            do = "let the proxy hand /mcp through, without buffering"
            return Step(name="mcp", gpt=gpt, state=State.TO_DO, found=found, do=do)
        return Step(name="mcp", gpt=gpt, state=State.OK, found=f"answers at {self.door.url}/mcp/{gpt}")

    def _packs(self, gpt: str, live: str) -> Iterator[Step]:
        """Compare the last pack for each set of readers with live: what was uploaded does not change by itself."""
        last = {
            str(one.detail.get("readers")): str(one.detail.get("release"))
            for one in self.audit.entries()
            if one.action == "pack" and one.subject == gpt
        }
        for readers, release in sorted(last.items()):
            found = f"the last one for {readers} is of release {release}"
            if release == live:
                yield Step(name="pack", gpt=gpt, state=State.OK, found=f"{found}, which is live")
            else:
                others = "".join(f" --as {one}" for one in readers.split(",") if one != "everyone")
                do = f"live is {live or 'nothing'}; if it was uploaded: kbm pack {gpt} DIR{others}, and upload that"
                yield Step(name="pack", gpt=gpt, state=State.TO_DO, found=found, do=do)


def _said(seen: SeenResponse | str) -> str:
    return seen if isinstance(seen, str) else str(seen.status)


def _address(url: str) -> Step:
    host = urlsplit(url).hostname or ""
    why = ""
    try:
        if not ipaddress.ip_address(host).is_global:
            why = "is no address that ChatGPT can reach"
    except ValueError:
        if "." not in host or host.rsplit(".", 1)[-1] in ("local", "localhost", "internal", "lan", "home"):
            why = "is a name that only this network knows"
    if not url.startswith("https://"):
        why = "is not https"
    if why:
        do = 'set public_url = "https://…" in [kbm] to the address that ChatGPT is to call'
        return Step(name="address", state=State.TO_DO, found=f"{url} {why}", do=do)
    return Step(name="address", state=State.OK, found=url)
