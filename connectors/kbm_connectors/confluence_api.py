"""The REST interfaces of Confluence: version 2 of the cloud, version 1 of Data Center, and CQL, which both have.

Paging differs, and so does what proves that a listing is whole. In the cloud a listing is followed by ``_links.next``
until there is none, and the page with the highest number, asked for by itself, must be in it. Data Center is asked on
from the number of results that came, whatever its link says (a limit it lowers silently makes its own links skip
some), until an answer holds fewer than it could.

Links are relative to the site, to the context or whole, depending on the interface. Only what follows
``/api/v2/`` or ``/rest/api/`` in them is used, under the configured address: an account never goes elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from kbm_connectors.confluence_answers import (
    Ancestor,
    Answer,
    Attachment,
    Page,
    Space,
    ancestors_of,
    attachment_of,
    body_of,
    text_of,
    v1_page,
    v2_page,
)
from kbm_connectors.confluence_restrictions import Restriction, restriction_of
from kbm_connectors.http import HttpClient, Reply

CLOUD_LIMIT = 250
SEARCH_LIMIT = 100
MAX_ROUNDS = 100_000
NOT_SHOWN = frozenset({403, 404})
"""An account that may not see something is told that there is nothing."""
_UNKNOWN_FORMAT = frozenset({400})
_MARKERS = ("/api/v2/", "/rest/api/")
_RESTRICTIONS = "restrictions.read.restrictions.user,restrictions.read.restrictions.group"
_OF_ANCESTORS = "ancestors.restrictions.read.restrictions.user,ancestors.restrictions.read.restrictions.group"


class _NotShown(Exception):  # the account may not see it, or it is not there: the two answer alike
    pass


@dataclass(frozen=True, slots=True)
class ConfluenceApi:
    """One site, as one account. ``found`` collects the restrictions that came with a listing, by content."""

    http: HttpClient
    base: str
    is_cloud: bool
    found: dict[str, Restriction]

    # --- what there is

    def spaces(self, keys: Sequence[str]) -> list[Space]:
        """Give the spaces of *keys* the account sees; without keys all that are not personal or archived."""
        if self.is_cloud:
            wanted = {"keys": ",".join(keys)} if keys else {"type": "global", "status": "current"}
            params = {**wanted, "limit": str(CLOUD_LIMIT)}
            return [
                Space(id=text_of(one, "id"), key=text_of(one, "key"))
                for one in self._linked("/api/v2/spaces", params)
            ]
        if keys:
            asked = {key: self._get(f"/rest/api/space/{key}", {}, also=NOT_SHOWN) for key in keys}
            return [Space(id=key, key=text_of(one, "key")) for key, one in asked.items() if one is not None]
        listed = self._counted("/rest/api/space", {"type": "global", "status": "current"})
        return [Space(id=text_of(one, "key"), key=text_of(one, "key")) for one in listed]

    def pages(self, space: Space) -> list[Page]:
        """List the current pages of a space.

        Raises:
            ConnectorUnavailable: the listing is not whole.
        """
        return self._cloud_pages(space) if self.is_cloud else self._server_pages(space)

    def trashed(self, space: Space) -> list[str]:
        """Name the pages of a space that lie in its trash; none where the account may not look into it."""
        try:
            if self.is_cloud:
                params = {"status": "trashed", "limit": str(CLOUD_LIMIT)}
                path = f"/api/v2/spaces/{space.id}/pages"
                return [text_of(one, "id") for one in self._linked(path, params, also=NOT_SHOWN)]
            params = {"spaceKey": space.key, "type": "page", "status": "trashed"}
            return [text_of(one, "id") for one in self._counted("/rest/api/content", params, also=NOT_SHOWN)]
        except _NotShown:
            return []

    def changed(self, cql: str) -> list[Page]:
        """List the pages a query finds, with their ancestors' restrictions where the site can tell them."""
        found = self._search(cql, f"version,space,ancestors,{_RESTRICTIONS},{_OF_ANCESTORS}")
        if found is None:
            # CONFCLOUD-77618: one page below a draft, and expanding ancestors is 404 for all of them.
            found = self._search(cql, f"version,space,{_RESTRICTIONS}")
        if found is None:
            raise self.http.refused("404: the search is not there", hint="check url and deployment")
        return [self._v1_page(one) for one in found]

    def containers(self, cql: str) -> set[str]:
        """Give the ids of the pages whose attachments a query finds."""
        found = self._search(cql, "container")
        return {str((one.get("container") or {}).get("id", "")) for one in found or []} - {""}

    def ancestors(self, page: str) -> tuple[Ancestor, ...] | None:
        """Ask for what one page lies under; None when the page is not shown."""
        if self.is_cloud:
            path, params = f"/api/v2/pages/{page}/ancestors", {"limit": str(CLOUD_LIMIT)}
            try:
                return ancestors_of(self._linked(path, params, also=NOT_SHOWN))
            except _NotShown:
                return None
        answer = self._get(f"/rest/api/content/{page}", {"expand": "ancestors"}, also=NOT_SHOWN)
        if answer is not None and not isinstance(answer.get("ancestors"), list):
            raise self.http.unavailable(f"page {page} came without its ancestors")
        return None if answer is None else ancestors_of(answer["ancestors"])

    def is_shown(self, page: str) -> bool:
        """Tell whether the account sees a page."""
        path = f"/api/v2/pages/{page}" if self.is_cloud else f"/rest/api/content/{page}"
        return self._get(path, {}, also=frozenset({404})) is not None

    def restriction(self, content: str) -> Restriction | int:
        """Say who may read a page by its own restrictions, asking where no listing told; a status: not shown."""
        if content in self.found:
            return self.found[content]
        path = f"/rest/api/content/{content}/restriction/byOperation/read"
        start, is_set = 0, False
        names: set[str] = set()
        for _ in range(MAX_ROUNDS):
            params = {"expand": "restrictions.user,restrictions.group", "start": str(start), "limit": "200"}
            reply = self.http.get(self.base + path, params, also=NOT_SHOWN)
            if reply.status in NOT_SHOWN:
                return reply.status
            part = restriction_of(self._object(reply))
            if part is None:
                raise self.http.unavailable(
                    f"the restrictions of page {content} came without users and groups"
                )
            names |= part.readers
            is_set = is_set or part.is_set
            if not part.n_cut:
                self.found[content] = Restriction(readers=frozenset(names), is_set=is_set)
                return self.found[content]
            start += part.n_cut
        raise self.http.unavailable("the list of restrictions does not end")

    def find_restrictions(self, space: Space) -> None:
        """Collect the restrictions of a space's pages by a search; what it does not show is asked page by page."""
        for one in self._search(f'type = page and space = "{space.key}"', _RESTRICTIONS) or []:
            self._note_restriction(one)

    def attachments(self, page: str) -> list[Attachment] | None:
        """List the files at a page; None when the page is not shown."""
        asked = {"limit": str(CLOUD_LIMIT), "status": "current"}
        try:
            if self.is_cloud:
                listed = list(self._linked(f"/api/v2/pages/{page}/attachments", asked, also=NOT_SHOWN))
            else:
                path = f"/rest/api/content/{page}/child/attachment"
                listed = list(self._counted(path, {"expand": "version"}, also=NOT_SHOWN))
        except _NotShown:
            return None
        return [attachment_of(one) for one in listed]

    def body(self, page: str) -> tuple[str, str, str] | None:
        """Give title, rendered body and stored body of a page, the two where there are any; None: it is gone."""
        if not self.is_cloud:
            params = {"expand": "body.export_view,body.storage,version"}
            answer = self._get(f"/rest/api/content/{page}", params, also=NOT_SHOWN)
            if answer is None or answer.get("status") != "current":
                return None
            return text_of(answer, "title"), body_of(answer, "export_view"), body_of(answer, "storage")
        title, bodies = "", []
        for form in ("export_view", "storage"):
            params = {"body-format": form}
            reply = self.http.get(
                f"{self.base}/api/v2/pages/{page}", params, also=NOT_SHOWN | _UNKNOWN_FORMAT
            )
            if reply.status in NOT_SHOWN or (reply.status in _UNKNOWN_FORMAT and form == "storage"):
                return None
            answer = {} if reply.status in _UNKNOWN_FORMAT else self._object(reply)
            if answer and answer.get("status") != "current":
                return None
            title = text_of(answer, "title") if answer else title
            bodies.append(body_of(answer, form))
            if bodies[0].strip():
                break
        return title, bodies[0], bodies[-1] if len(bodies) > 1 else ""

    def download(self, attachment: str) -> Reply | None:
        """Give the bytes of a file; None when it is gone."""
        path = f"/api/v2/attachments/{attachment}" if self.is_cloud else f"/rest/api/content/{attachment}"
        answer = self._get(path, {}, also=NOT_SHOWN)
        if answer is None or answer.get("status") not in (None, "current"):
            return None
        links = answer.get("_links") or {}
        link = answer.get("downloadLink") or links.get("download")
        parts, base = urlsplit(str(link or "")), urlsplit(self.base)
        if not parts.path.startswith("/") or (parts.netloc and parts.netloc != base.netloc):
            raise self.http.unavailable(f"attachment {attachment} came without a usable address")
        path = parts.path.removeprefix(base.path) if parts.path.startswith(f"{base.path}/") else parts.path
        reply = self.http.download(
            f"{self.base}{path}{'?' if parts.query else ''}{parts.query}", also=frozenset({404})
        )
        return None if reply.status == 404 else reply

    def account(self) -> Answer:
        """Say as whom the site knows the account; anonymous where there is none."""
        return self._get("/rest/api/user/current", {}) or {}

    # --- listings

    def _cloud_pages(self, space: Space) -> list[Page]:
        path, params = f"/api/v2/spaces/{space.id}/pages", {"status": "current", "limit": str(CLOUD_LIMIT)}
        pages = [v2_page(one, space) for one in self._linked(path, {**params, "sort": "id"})]
        last = self._results(self._get(path, {**params, "sort": "-id", "limit": "1"}) or {})
        ids = {page.id for page in pages}
        if any(text_of(one, "id") not in ids for one in last):
            raise self.http.unavailable(f"the listing of space {space.key} ended before its last page")
        return pages

    def _server_pages(self, space: Space) -> list[Page]:
        params = {"spaceKey": space.key, "type": "page", "status": "current"}
        path, expand = "/rest/api/content", f"version,space,{_RESTRICTIONS}"
        try:
            asked = {**params, "expand": f"ancestors,{expand}"}
            listed = list(self._counted(path, asked, also=frozenset({404})))
        except _NotShown:
            # CONFCLOUD-77618: one page below a draft, and expanding ancestors is 404 for all of them.
            listed = list(self._counted(path, {**params, "expand": expand}))
        return [self._v1_page(one) for one in listed]

    def _search(self, cql: str, expand: str) -> list[Answer] | None:
        """Give what a query finds; None where expanding is answered with 404, or searching is not allowed."""
        params = {"cql": cql, "expand": expand, "limit": str(SEARCH_LIMIT)}
        try:
            return list(self._linked("/rest/api/content/search", params, also=NOT_SHOWN))
        except _NotShown:
            return None

    def _linked(
        self, path: str, params: Mapping[str, str], *, also: frozenset[int] = frozenset()
    ) -> Iterator[Answer]:
        """Give the results of an answer and of those it links to.

        Raises:
            _NotShown: any of them has a status of *also*.
        """
        answer = self._part(self.http.get(self.base + path, params, also=also), also)
        asked: set[str] = set()
        for _ in range(MAX_ROUNDS):
            yield from self._results(answer)
            link = (answer.get("_links") or {}).get("next")
            if not link:
                return
            url = self._under_base(str(link))
            if url in asked:
                raise self.http.unavailable("the listing does not advance")
            asked.add(url)
            answer = self._part(self.http.get(url, also=also), also)
        raise self.http.unavailable("the listing does not end")

    def _counted(
        self, path: str, params: Mapping[str, str], *, also: frozenset[int] = frozenset()
    ) -> Iterator[Answer]:
        """Give the results of a listing that is asked on by number, as :meth:`_linked`."""
        start = 0
        for _ in range(MAX_ROUNDS):
            asked = {**params, "start": str(start), "limit": str(SEARCH_LIMIT)}
            answer = self._part(self.http.get(self.base + path, asked, also=also), also)
            results = self._results(answer)
            yield from results
            limit = answer.get("limit")
            could = limit if isinstance(limit, int) and limit > 0 else SEARCH_LIMIT
            if not results or (len(results) < could and not (answer.get("_links") or {}).get("next")):
                return
            start += len(results)
        raise self.http.unavailable("the listing does not end")

    def _part(self, reply: Reply, also: frozenset[int]) -> Answer:
        if reply.status in also:
            raise _NotShown
        return self._object(reply)

    def _under_base(self, link: str) -> str:
        for marker in _MARKERS:
            _, found, rest = link.partition(marker)
            if found:
                return f"{self.base}{marker}{rest}"
        raise self.http.unavailable("the listing goes on at an address that is not the interface's")

    # --- answers

    def _get(
        self, path: str, params: Mapping[str, str], *, also: frozenset[int] = frozenset()
    ) -> Answer | None:
        reply = self.http.get(self.base + path, params or None, also=also)
        return None if reply.status in also else self._object(reply)

    def _object(self, reply: Reply) -> Answer:
        answer = self.http.json(reply)
        if not isinstance(answer, dict):
            raise self.http.unavailable("the answer is not that of a Confluence")
        return answer

    def _results(self, answer: Answer) -> list[Answer]:
        results = answer.get("results")
        if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
            raise self.http.unavailable("the answer holds no results")
        return results

    def _v1_page(self, one: Answer) -> Page:
        """Read a page of version 1, and note the restrictions that came with it and its ancestors."""
        self._note_restriction(one)
        for ancestor in one.get("ancestors") or []:
            self._note_restriction(ancestor)
        return v1_page(one)

    def _note_restriction(self, one: Answer) -> None:
        restriction = restriction_of((one.get("restrictions") or {}).get("read"))
        if restriction is not None and not restriction.n_cut:
            self.found[text_of(one, "id")] = restriction
