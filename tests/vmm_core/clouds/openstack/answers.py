"""Answers of OpenStack's services as openstacksdk and keystoneauth make errors of them."""

from __future__ import annotations

import json

import pytest
import requests
from keystoneauth1.exceptions import HttpError
from keystoneauth1.exceptions.http import from_response
from openstack.exceptions import HttpException, raise_from_response


def service_error(
    status: int, said: str, *, fault: str = "fault", headers: dict[str, str] | None = None
) -> HttpException:
    """The error of a service's answer, made by openstacksdk."""
    answer = _response(status, {fault: {"message": said, "code": status}}, headers)
    with pytest.raises(HttpException) as caught:
        raise_from_response(answer)
    return caught.value


def login_error(status: int, said: str) -> HttpError:
    """The error of a login, made by keystoneauth."""
    answer = _response(status, {"error": {"message": said, "code": status}}, None)
    return from_response(answer, "POST", answer.url)


def _response(status: int, body: object, headers: dict[str, str] | None) -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer.url = "http://cloud.example/v2.1/servers"
    answer.request = requests.Request("POST", answer.url).prepare()
    answer.headers["Content-Type"] = "application/json"
    answer.headers.update(headers or {})
    answer._content = json.dumps(body).encode()
    return answer
