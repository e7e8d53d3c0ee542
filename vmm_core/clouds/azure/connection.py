"""The SDK's client and the credentials of one account, opened at the first use.

The SDK retries nothing and polls nothing: what happens next is decided by the
pool manager. Its logs carry no body, so neither secrets nor custom data.
"""

from __future__ import annotations

import os
import stat
from typing import Any

import aiohttp
from azure.core import AsyncPipelineClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import policies
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.identity.aio import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
)
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from ..base import Refused
from .options import ClientSecret, ManagedIdentity, Options


class Broken(aiohttp.ClientError):
    """A connection broke after something that changes Azure may have been sent on it."""


class Connection:
    """Ways to the same account: the SDK's client, plain requests, and requests without its token.

    Must be made where an event loop runs.
    """

    def __init__(self, options: Options) -> None:
        """Read the secret, connect nowhere.

        Raises:
            Refused: the secret's file or the CA's cannot be used.
        """
        verify: bool | str = True
        if options.ca_file is not None:
            if not os.access(options.ca_file, os.R_OK):
                raise Refused(f"the CA file {options.ca_file} cannot be read: correct ca_file")
            verify = str(options.ca_file)
        settings: dict[str, Any] = {
            "connection_verify": verify,
            "connection_timeout": options.connect_timeout_s,
            "read_timeout": options.answer_timeout_s,
            "retry_total": 0,
        }
        endpoint = options.endpoint.rstrip("/")
        scope = f"{endpoint}/.default"
        self._credential = _credential(options, settings)
        self.compute = ComputeManagementClient(
            self._credential,
            options.subscription,
            base_url=endpoint,
            credential_scopes=[scope],
            transport=_transport(settings),
            **settings,
        )
        self._plain: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            base_url=endpoint,
            policies=[
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy("jupyter-daaas"),
                policies.ProxyPolicy(),
                AsyncARMChallengeAuthenticationPolicy(self._credential, scope),
                policies.HttpLoggingPolicy(),
            ],
            transport=_transport(settings),
        )

        self._bare: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            base_url=endpoint,
            policies=[policies.UserAgentPolicy("jupyter-daaas"), policies.ProxyPolicy()],
            transport=_transport(settings),
        )

    async def end_of(self, url: str, most: int) -> tuple[int, bytes]:
        """Status and the last ``most`` bytes of a page whose URL is all the right to read it.

        Neither the account's token is sent there nor the URL logged.
        """
        response = await self._bare.send_request(HttpRequest("GET", url), stream=True)
        end = b""
        async with response:
            async for chunk in response.iter_bytes():
                end = (end + chunk)[-most:]
        return response.status_code, end

    async def send(self, request: HttpRequest) -> AsyncHttpResponse:
        """A request to Resource Manager, with the account's token."""
        request.url = self._plain.format_url(request.url)
        return await self._plain.send_request(request)

    async def close(self) -> None:
        """Close every connection."""
        await self.compute.close()
        await self._plain.close()
        await self._bare.close()
        await self._credential.close()


def _transport(settings: dict[str, Any]) -> AioHttpTransport:
    """aiohttp, kept from sending anything again but questions."""
    session = aiohttp.ClientSession(
        trust_env=True,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        middlewares=(_sent_once,),
    )
    return AioHttpTransport(session=session, **settings)


async def _sent_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a PUT or DELETE: it would tell of the last try only."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method in ("GET", "HEAD"):
            raise
        raise Broken(str(error) or type(error).__name__) from error


def _credential(options: Options, settings: dict[str, Any]) -> AsyncTokenCredential:
    wanted = options.credential
    if isinstance(wanted, ClientSecret):
        return ClientSecretCredential(
            wanted.tenant,
            wanted.client,
            _secret(wanted),
            authority=options.authority,
            disable_instance_discovery=not options.instance_discovery,
            **settings,
        )
    if isinstance(wanted, ManagedIdentity):
        return ManagedIdentityCredential(client_id=wanted.client, retry_total=0)
    return DefaultAzureCredential(
        authority=options.authority,
        disable_instance_discovery=not options.instance_discovery,
        **settings,
    )


def _secret(wanted: ClientSecret) -> str:
    """What is in the secret's file."""
    path = wanted.secret_file
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise Refused(f"the secret file {path} can be read by others: chmod 600 {path}")
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Refused(f"the secret file {path} cannot be read: {why}") from None
    if not secret:
        raise Refused(f"the secret file {path} is empty: put the application's secret in it")
    return secret
