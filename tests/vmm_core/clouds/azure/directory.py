"""The fake's directory: gives tokens to who has the secret, in Microsoft's words."""

from __future__ import annotations

import uuid

from aiohttp import web

TENANT, CLIENT, SECRET = "11111111-2222-3333-4444-555555555555", "the-vmm", "s3cret~of-the-vmm"


class Directory:
    """One tenant with one application."""

    def __init__(self) -> None:
        self.secret = SECRET
        self.tokens: set[str] = set()
        self.audience = ""
        """What tokens are for: the address of Resource Manager."""

    async def token(self, request: web.Request) -> web.Response:
        """The directory: gives a token for the right secret."""
        form = await request.post()
        wrong = None
        if request.match_info["tenant"] != TENANT:
            wrong = ("invalid_request", 90002, f"Tenant '{request.match_info['tenant']}' not found")
        elif form.get("client_id") != CLIENT:
            wrong = ("unauthorized_client", 700016, "Application was not found in the directory")
        elif form.get("client_secret") != self.secret:
            wrong = ("invalid_client", 7000215, "Invalid client secret provided")
        if form.get("scope") != f"{self.audience}/.default":
            wrong = ("invalid_scope", 70011, "The provided value for scope is not valid")
        if wrong:
            error, number, text = wrong
            body = {"error": error, "error_codes": [number]}
            body["error_description"] = f"AADSTS{number}: {text}. Trace ID: 0"
            return web.json_response(body, status=400 if number == 90002 else 401)
        token = uuid.uuid4().hex
        self.tokens.add(token)
        return web.json_response(
            {"token_type": "Bearer", "expires_in": 3599, "access_token": token}
        )
