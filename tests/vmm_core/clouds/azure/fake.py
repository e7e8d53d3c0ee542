"""An Azure Resource Manager of our own, over TLS on loopback, with its token endpoint.

The real SDK talks to it. It refuses what breaks either contract, and notes
what it says itself that does, in ``violations``. Faults are set before a call::

    azure.fail("put machine", Error(429, "OperationNotAllowed", "…", retry_after="7"))
    azure.fail("put machine", LOST_ANSWER)   # done, and the connection closed without a word
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.support.ca import Identity

from . import answers
from .contract import Exchange, answer_violations, request_violations
from .directory import CLIENT, SECRET, TENANT, Directory
from .operations import OPERATIONS, Operation
from .subscription import GROUP, REGION, Machine, Problem, Subscription

PAGE = 2
"""Items on a page, so that a few machines make several."""

LOST_REQUEST, LOST_ANSWER, SILENCE = "lost request", "lost answer", "silence"
LOGIN_PAGE = "login page"
"""What a proxy on the way answers."""


@dataclass(frozen=True)
class Error:
    """An answer other than success."""

    status: int
    code: str
    message: str
    details: tuple[str, ...] = ()
    retry_after: str | None = None


@dataclass(frozen=True)
class Reply:
    """What a handler gives."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


class FakeAzure:
    """Serves one subscription; start it with :meth:`start`."""

    def __init__(self) -> None:
        self.account = Subscription()
        self.directory = Directory()
        self.violations: list[str] = []
        self.exchanges: list[Exchange] = []
        self.requests: deque[str] = deque(maxlen=10_000)
        """Names of the operations asked for, in order."""
        self.signature = secrets.token_urlsafe(16)
        """Of the addresses of consoles."""
        self._faults: dict[str, list[Error | str]] = {}
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()
        self.url = ""

    async def start(self, identity: Identity) -> None:
        """Listen on a free port, with a certificate for 127.0.0.1."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(identity.certificate, identity.key)
        app = web.Application()
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self.directory.token)
        app.router.add_get("/console/{machine}", self._console)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        _, port = self._runner.addresses[0][:2]
        self.url = self.directory.audience = f"https://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Close the port and every connection."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def fail(self, operation: str, *faults: Error | str) -> None:
        """The next calls of an operation go wrong, one after the other."""
        assert operation in {each.name for each in OPERATIONS}, operation
        self._faults.setdefault(operation, []).extend(faults)

    def options(self, folder: Path, ca: Path, **more: Any) -> dict[str, Any]:
        """Options of a cloud at this Azure."""
        secret = folder / "azure.secret"
        secret.touch(mode=0o600)
        secret.write_text(SECRET + "\n")
        return {
            "subscription": self.account.id,
            "resource_group": GROUP,
            "region": REGION,
            "credential": {
                "kind": "secret",
                "tenant": TENANT,
                "client": CLIENT,
                "secret_file": str(secret),
            },
            "subnet": self.account.subnet,
            "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHm0uv4xVnEZ8bHmVg1ZyYyGf0n4 op",
            "images": {"default": "Canonical:ubuntu-24_04-lts:server:latest"},
            "endpoint": self.url,
            "authority": self.url,
            "instance_discovery": False,
            "ca_file": str(ca),
            "answer_timeout_s": 5,
            "delete_timeout_s": 5,
            "poll_s": 0.01,
            "list_every_s": 0,
            **more,
        }

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """One request to Resource Manager."""
        path, query = request.path, dict(request.query)
        found = next(
            ((each, match) for each in OPERATIONS if (match := each.match(request.method, path))),
            None,
        )
        if found is None:
            self.violations.append(f"no operation: {request.method} {path}")
            return web.json_response(
                answers.problem(Problem(404, "NotFound", "There is no such operation.")), status=404
            )
        operation, match = found
        self.requests.append(operation.name)
        text = await request.text()
        body = json.loads(text) if text else None
        waiting = self._faults.get(operation.name, [])
        fault = waiting.pop(0) if waiting else None
        if fault == LOGIN_PAGE:
            return web.Response(text="<html>Please log in</html>", content_type="text/html")
        if fault == LOST_REQUEST:
            return self._hang_up(request)
        try:
            self._authorise(request, match.groupdict())
            if isinstance(fault, Error):
                raise Problem(fault.status, fault.code, fault.message, details=fault.details)
            broken = list(request_violations(operation, query, body))
            if broken:
                self.violations += broken
                raise Problem(400, "BadRequest", broken[0])
            reply = self._do(operation, match.groupdict(), query, body, request)
        except Problem as error:
            headers = ()
            if isinstance(fault, Error) and fault.retry_after is not None:
                headers = (("Retry-After", fault.retry_after),)
            reply = Reply(error.status, answers.problem(error), headers)
        self.violations += answer_violations(operation, reply.status, reply.body)
        self.exchanges.append(
            Exchange(operation, query, dict(request.headers), body, reply.status, reply.body)
        )
        if fault == LOST_ANSWER:
            return self._hang_up(request)
        if fault == SILENCE:
            await self._stopping.wait()
        if reply.body is None:
            return web.Response(status=reply.status, headers=dict(reply.headers))
        return web.json_response(reply.body, status=reply.status, headers=dict(reply.headers))

    def _authorise(self, request: web.Request, parts: dict[str, str]) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if given not in self.directory.tokens:
            raise Problem(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if parts["subscriptionId"] != self.account.id:
            asked = parts["subscriptionId"]
            raise Problem(404, "SubscriptionNotFound", f"The subscription '{asked}' is not found.")
        group = parts.get("resourceGroupName", GROUP)
        if group.lower() != GROUP:
            raise Problem(404, "ResourceGroupNotFound", f"Resource group '{group}' is not found.")

    def _hang_up(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def _do(
        self,
        operation: Operation,
        parts: dict[str, str],
        query: dict[str, str],
        body: Any,
        request: web.Request,
    ) -> Reply:
        account, name = self.account, operation.name
        if operation.pages:
            return self._page(self._items(name, query), request)
        if name == "put machine":
            only_new = request.headers.get("If-None-Match") == "*"
            made = account.put(parts["vmName"], body, only_new=only_new)
            return Reply(201, answers.machine(account, made), self._operation(made))
        if name == "get machine":
            view = query.get("$expand") == "instanceView"
            return Reply(200, answers.machine(account, account.look(parts["vmName"]), view=view))
        if name == "delete machine":
            if not account.delete(parts["vmName"]):
                return Reply(204)
            going = account.machines[parts["vmName"]]
            return Reply(202, None, (*self._operation(going), ("Location", self._where(going))))
        if name in ("deallocate machine", "start machine"):
            hibernate = query.get("hibernate") == "true"
            power = "starting" if name == "start machine" else "deallocating"
            account.turn(parts["vmName"], power, hibernate=hibernate)
            turning = account.machines[parts["vmName"]]
            return Reply(202, None, self._operation(turning))
        if name == "boot diagnostics":
            return Reply(200, self._diagnostics(account.look(parts["vmName"])))
        if name == "get operation":
            return self._progress(parts["operationId"])
        kinds = {
            "delete disk": (account.disks, "diskName"),
            "delete interface": (account.interfaces, "networkInterfaceName"),
            "delete address": (account.addresses, "publicIpAddressName"),
        }
        kind, part = kinds[name]
        side = kind.get(parts[part])
        if side is not None and side.machine:
            raise Problem(409, "OperationNotAllowed", f"{side.name} is in use.")
        return Reply(202 if kind.pop(parts[part], None) else 204)

    def _diagnostics(self, machine: Machine) -> dict[str, Any]:
        """Where its console and its screen can be read for a while, by who knows the address."""
        profile = machine.asked["properties"].get("diagnosticsProfile") or {}
        if not (profile.get("bootDiagnostics") or {}).get("enabled"):
            raise Problem(409, "OperationNotAllowed", "Boot diagnostics are not enabled.")
        url = f"{self.url}/console/{machine.name}?sig={self.signature}"
        return {"serialConsoleLogBlobUri": url, "consoleScreenshotBlobUri": f"{url}&screen=1"}

    async def _console(self, request: web.Request) -> web.Response:
        """The storage's part: a log for who has the signature, and nobody's token wanted."""
        if "Authorization" in request.headers:
            self.violations.append("the account's token was sent to the storage")
        if request.query.get("sig") != self.signature:
            return web.Response(status=403)
        machine = self.account.machines.get(request.match_info["machine"])
        if machine is None or not machine.console:
            return web.Response(status=404)
        return web.Response(body=machine.console)

    def _items(self, name: str, query: dict[str, str]) -> list[dict[str, Any]]:
        account = self.account
        if name == "list machines":
            if "$expand" in query and "$filter" not in query:
                raise Problem(400, "BadRequest", "expand needs a filter.")
            return [answers.machine(account, each) for each in account.look_at_all()]
        if name == "list statuses":
            assert query.get("statusOnly") == "true"
            return [answers.status(account, each) for each in account.machines.values()]
        if name == "list sizes":
            if query.get("$filter") != f"location eq '{REGION}'":
                raise Problem(400, "BadRequest", "Only a filter on this location is served.")
            return [*map(answers.sku, account.sizes.values()), answers.disk_sku()]
        if name == "list usages":
            return answers.usages(account)
        if name == "list disks":
            return [answers.disk(account, each) for each in account.disks.values()]
        if name == "list interfaces":
            return [answers.interface(account, each) for each in account.interfaces.values()]
        return [answers.address(account, each) for each in account.addresses.values()]

    def _page(self, items: list[dict[str, Any]], request: web.Request) -> Reply:
        start = int(request.query.get("$skiptoken", 0))
        page: dict[str, Any] = {"value": items[start : start + PAGE]}
        if start + PAGE < len(items):
            url = request.rel_url.update_query({"$skiptoken": str(start + PAGE)})
            page["nextLink"] = f"{self.url}{url}"
        return Reply(200, page)

    def _operation(self, machine: Machine) -> tuple[tuple[str, str], ...]:
        return (("Azure-AsyncOperation", self._where(machine)), ("Retry-After", "0"))

    def _where(self, machine: Machine) -> str:
        return (
            f"{self.url}/subscriptions/{self.account.id}/providers/Microsoft.Compute"
            f"/locations/{REGION}/operations/{machine.operation}?p=1&api-version=2026-04-01"
        )

    def _progress(self, operation: str) -> Reply:
        """How far a long-running operation is; looking moves it on."""
        machines = self.account.machines.values()
        machine = next((each for each in machines if each.operation == operation), None)
        status: dict[str, Any] = {"status": "Succeeded", "startTime": "2026-11-22T10:00:00+00:00"}
        if machine is not None:
            try:
                state = self.account.look(machine.name).state
            except Problem:
                state = "Succeeded"
            status["status"] = state if state in ("Succeeded", "Failed") else "InProgress"
            if state == "Failed" and machine.failure:
                code, message = machine.failure
                status["error"] = {"code": code, "message": message}
        return Reply(200, status)
