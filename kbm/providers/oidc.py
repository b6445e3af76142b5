"""Check tokens of the company's identity provider (OpenID Connect): signature, issuer, audience, time."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from kbm.errors import KeyRefused, ProviderUnavailable
from kbm.ports import Clock

log = structlog.get_logger()

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures by a public key only: a token that names ``none`` or a shared secret is refused."""
KEYS_LAST_S, KEYS_ASKED_EVERY_S = 3600.0, 30.0
_TIMEOUT_S = 5.0
_LEEWAY_S = 30
_REFUSED = "the token does not hold here"


class OidcTokens:
    """Tokens of one issuer for one audience. Its keys are fetched when the first token comes, and kept an hour."""

    def __init__(self, issuer: str, audience: str, clock: Clock) -> None:
        self.issuer, self.audience, self._clock = issuer, audience, clock
        self._lock = Lock()
        self._keys: KeySet | None = None
        self._fetched_at = self._asked_at = float("-inf")

    def claims(self, token: str) -> Mapping[str, Any]:
        """Give what a token says, once it is checked; Any is JSON.

        Raises:
            KeyRefused: it is not the issuer's, not for us, over, or no token; which is logged, not told.
            ProviderUnavailable: the issuer's keys cannot be fetched.
        """
        try:
            read = self._decoded(token)
            said: dict[str, Any] = dict(read.claims)
            registry = jwt.JWTClaimsRegistry(
                now=int(self._clock.now().timestamp()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self.audience},
                exp={"essential": True},
                sub={"essential": True},
            )
            registry.validate(said)
        except (JoseError, ValueError) as error:
            log.info("token_refused", why=type(error).__name__)
            raise KeyRefused(_REFUSED, hint=f"sign in again at {self.issuer}") from None
        return said

    def _decoded(self, token: str) -> jwt.Token:
        keys = self._current(fresh=False)
        try:
            return jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # Signed by a key that is newer than ours, perhaps: look again, but not at every forged token.
            newer = self._current(fresh=True)
            if newer is keys:
                raise
            return jwt.decode(token, newer, algorithms=ALGORITHMS)

    def _current(self, *, fresh: bool) -> KeySet:
        with self._lock:
            now = self._clock.monotonic()
            old = self._keys is None or now - self._fetched_at > KEYS_LAST_S
            if (old or fresh) and now - self._asked_at > KEYS_ASKED_EVERY_S:
                self._asked_at = now
                try:
                    self._keys = self._fetch()
                    self._fetched_at = now
                except (httpx.HTTPError, ValueError, KeyError, JoseError) as error:
                    log.warning("issuer_keys_not_fetched", issuer=self.issuer, why=repr(error))
            if self._keys is None:
                raise ProviderUnavailable(
                    f"the keys of {self.issuer} cannot be fetched, so no token of it can be checked",
                    hint="keys made with `kbm keys create` go on working; the log says what the issuer answered",
                )
            return self._keys

    def _fetch(self) -> KeySet:
        with httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False) as client:
            about = client.get(
                f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            ).raise_for_status()
            found = client.get(about.json()["jwks_uri"]).raise_for_status()
        return KeySet.import_key_set(found.json())
