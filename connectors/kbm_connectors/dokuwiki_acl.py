"""Who may read a page of a DokuWiki, from its table of rights.

DokuWiki asks, for one user, the most specific place that names the user, a group of the user, or everybody, and takes
the best right there. A set of readers must hold for users not known yet, who may be in several groups. So the places
are walked from the page outwards, each adds whom it lets read, and the walk ends at the first place that names
everybody or *shuts anybody out*: a group shut out nearer by must not come back in by a wider right. Where the two
differ, kbm lets fewer people read than the wiki does, never more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kbm.domain.documents import EVERYONE

Acl = Mapping[str, Mapping[str, int]]
"""Right (0 none, 1 read, more) by place (``page``, ``ns:*``, ``*``) and name (``@group``, user)."""

READ = 1
_ALL = "@ALL"


def readers(acl: Acl, page: str) -> frozenset[str]:
    """Give the readers of a page; nobody is named when only administrators may read it."""
    found: set[str] = set()
    for place in _places(page):
        rights = acl.get(place, {})
        found |= {_reader(name) for name, right in rights.items() if right >= READ and _is_fixed(name)}
        if _ALL in rights or any(right < READ for right in rights.values()):
            break
    return frozenset({EVERYONE} if EVERYONE in found else found)


def _places(page: str) -> Iterator[str]:
    yield page
    namespace = page.rpartition(":")[0]
    while namespace:
        yield f"{namespace}:*"
        namespace = namespace.rpartition(":")[0]
    yield "*"


def _reader(name: str) -> str:
    if name == _ALL:
        return EVERYONE
    # A reader's name holds no white space.
    kind, bare = ("group", name[1:]) if name.startswith("@") else ("user", name)
    return f"{kind}:{'_'.join(bare.split())}"


def _is_fixed(name: str) -> bool:
    """Tell whether a name stands for itself; %USER% and %GROUP% are another one for everybody who asks."""
    return "%" not in name
