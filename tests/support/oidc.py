"""A provider of OpenID Connect on loopback, who asks nobody for a password: a login is whoever `visitor` is.

Made after OpenID Connect Core 1.0, https://openid.net/specs/openid-connect-core-1_0.html, read 2026-11-20: discovery,
the code flow, a signed ID token.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "dashboard", "hush-hush-hush-hush-hush"


class Provider:
    """Answers until left. A context manager."""

    def __init__(self) -> None:
        self.visitor: Mapping[str, object] = {}
        """The claims about whoever logs in next."""
        self.key = RSAKey.generate_key(2048, parameters={"kid": "1", "use": "sig", "alg": "RS256"})
        self.asked: dict[str, str] = {}
        """The nonce that belongs to each code that was given out."""
        provider = self

        class Handler(_Handler):
            def provider(self) -> Provider:
                return provider

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def metadata_url(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def id_token(self, code: str) -> str:
        now = int(time.time())
        times = {"iat": now, "exp": now + 300}
        about = {"iss": self.url, "aud": CLIENT_ID, "nonce": self.asked.pop(code), **times, **self.visitor}
        return jwt.encode({"alg": "RS256", "kid": "1"}, about, self.key)


class _Handler(BaseHTTPRequestHandler):
    def provider(self) -> Provider:
        raise NotImplementedError

    def do_GET(self) -> None:
        at, provider = urlsplit(self.path), self.provider()
        if at.path == "/.well-known/openid-configuration":
            self._say(
                {
                    "issuer": provider.url,
                    "authorization_endpoint": f"{provider.url}/authorize",
                    "token_endpoint": f"{provider.url}/token",
                    "jwks_uri": f"{provider.url}/keys",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )
        elif at.path == "/keys":
            self._say({"keys": [provider.key.as_dict(private=False)]})
        elif at.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(at.query).items()}
            code = secrets.token_hex(8)
            provider.asked[code] = asked["nonce"]
            self.send_response(302)
            self.send_header(
                "Location", f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            )
            self.end_headers()
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        token = {"access_token": "x", "token_type": "Bearer", "id_token": self.provider().id_token(sent["code"][0])}
        self._say(token)

    def _say(self, what: Mapping[str, object]) -> None:
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        """Nothing: tests have enough to say."""
