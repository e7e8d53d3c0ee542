"""A real slapd that is wrong, not to be trusted, away or slow: what is said, and what holds."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from dms_core.errors import ConfigError
from tests.support.ca import Authority
from tests.support.messages import expected, says
from tests.support.servers import free_port
from tests.support.slapd import PASSWORD, SUFFIX, Slapd
from tests.support.waiting import until_async

from .conftest import ALICE, Clock, Maker, loaded


async def test_what_is_cut_short_is_a_failure_not_fewer_groups(sparing: Slapd, make: Maker) -> None:
    for number in range(45):
        sparing.add_group(f"rb-LOQ-RB{number}", "many")
    directory = await make(sparing.options(page_size=10))
    assert not (await loaded(directory, "many")).readable
    assert "raise the size limit" in directory.problem


@pytest.mark.parametrize("secure", [False, True])
async def test_an_untrusted_certificate(
    shared_slapd: Slapd, make: Maker, tmp_path: Path, secure: bool
) -> None:
    other = Authority(tmp_path / "other", "Another CA")
    url = shared_slapd.secure_url if secure else shared_slapd.url
    with pytest.raises(ConfigError) as caught:
        await make(shared_slapd.options(urls=[url], ca_file=str(other.file)))
    assert says(expected("membership", "untrusted certificate").operator, str(caught.value))
    with pytest.raises(ConfigError, match="not trusted"):  # no CA given: the system's
        await make(shared_slapd.options(urls=[url], ca_file=None))


async def test_a_certificate_of_another_name(shared_slapd: Slapd, make: Maker) -> None:
    elsewhere = shared_slapd.url.replace("127.0.0.1", "127.0.0.2")
    listening = f"ldap://127.0.0.2:{shared_slapd.port}"
    assert elsewhere == listening
    # slapd listens at 127.0.0.1 only: a relay brings the wrong name to it.
    relay = await asyncio.start_server(
        lambda reader, writer: _relayed(reader, writer, shared_slapd.port), "127.0.0.2", 0
    )
    port = relay.sockets[0].getsockname()[1]
    try:
        with pytest.raises(ConfigError, match="not trusted"):
            await make(shared_slapd.options(urls=[f"ldap://127.0.0.2:{port}"]))
    finally:
        relay.close()


async def _relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer), return_exceptions=True)


async def test_wrong_credentials(shared_slapd: Slapd, make: Maker, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.touch(mode=0o600)
    wrong.write_text("another one")
    with pytest.raises(ConfigError) as caught:
        await make(shared_slapd.options(password_file=str(wrong)))
    assert says(expected("membership", "wrong credentials").operator, str(caught.value))
    with pytest.raises(ConfigError):  # this server tells nobody anything
        await make(shared_slapd.options(bind_dn=None, password_file=None))


@pytest.mark.parametrize("which", ["users_base", "groups_base"])
async def test_wrong_base(shared_slapd: Slapd, make: Maker, which: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await make(shared_slapd.options(**{which: f"ou=absent,{SUFFIX}"}))
    assert says(expected("membership", "wrong base").operator, str(caught.value))


async def test_wrong_filter(shared_slapd: Slapd, make: Maker) -> None:
    with pytest.raises(ConfigError, match="is no search"):
        await make(shared_slapd.options(groups_filter="member={dn}"))


async def test_wrong_address(make: Maker, shared_slapd: Slapd) -> None:
    directory = await make(shared_slapd.options(urls=[f"ldap://127.0.0.1:{free_port()}"]))
    assert says(expected("membership", "wrong address").operator, directory.problem)
    assert not (await loaded(directory, "alice")).readable


async def test_gone(slapd: Slapd, make: Maker, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    directory = await make(slapd.options(refresh_s=30, grace_s=900), clock)
    assert await loaded(directory, "alice") == ALICE
    slapd.kill()
    clock.now = 31
    with caplog.at_level(logging.INFO):
        assert await loaded(directory, "alice") == ALICE  # the last one holds
        assert says(expected("membership", "gone").operator, directory.problem)
        assert not (await loaded(directory, "bob")).readable  # there is no last one
        clock.now = 899
        assert await loaded(directory, "alice") == ALICE
        clock.now = 900
        assert not (await loaded(directory, "alice")).readable  # and not for ever
        slapd.start()
        clock.now = 910
        assert await loaded(directory, "alice") == ALICE
    assert directory.problem == ""
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) == 1


async def test_a_restart_of_the_server_is_not_noticed(slapd: Slapd, make: Maker) -> None:
    clock = Clock()
    directory = await make(slapd.options(refresh_s=30), clock)
    assert await loaded(directory, "alice") == ALICE
    slapd.stop()
    slapd.start()
    clock.now = 31
    slapd.leave("rb-SANS2D-RB1310123", "alice")
    assert not (await loaded(directory, "alice")).experiments
    assert directory.problem == ""


@pytest.mark.parametrize("secure", [False, True])
async def test_slow(slapd: Slapd, make: Maker, secure: bool) -> None:
    clock = Clock()
    urls = [slapd.secure_url if secure else slapd.url]
    directory = await make(slapd.options(urls=urls, refresh_s=30), clock)
    assert await loaded(directory, "alice") == ALICE
    slapd.freeze()
    try:
        clock.now = 31
        async with asyncio.timeout(10):
            assert await loaded(directory, "alice") == ALICE
            await until_async(lambda: directory.problem, "the problem is known", 20)
        assert says(expected("membership", "slow").operator, directory.problem)
        clock.now = 40
        async with asyncio.timeout(10):
            assert not (await loaded(directory, "bob")).readable
    finally:
        slapd.thaw()
    clock.now = 50
    assert (await loaded(directory, "bob")).readable


async def test_no_password_in_logs(
    slapd: Slapd, make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        directory = await make(slapd.options())
        await loaded(directory, "alice")
        slapd.kill()
        await loaded(directory, "bob")
    assert PASSWORD not in caplog.text + repr(directory) + repr(directory.options)
