"""The Contents API over a real mount."""

from __future__ import annotations

import pytest

from ..world import CYCLE, EXPERIMENT, MIB, USER, World
from .conftest import Call

pytestmark = pytest.mark.mount


async def test_root_lists_the_volumes_with_their_states(call: Call) -> None:
    code, folder = await call("GET", "contents/")
    assert code == 200
    assert folder["type"] == "directory"
    assert folder["path"] == ""
    rows = {row["name"]: row for row in folder["content"]}
    assert set(rows) == {"archive", "home", "rb"}
    assert rows["archive"]["dms"]["kind"] == "folder"
    assert rows["archive"]["writable"] is False


async def test_rows_have_every_key_that_the_client_checks(call: Call, world: World) -> None:
    _, folder = await call("GET", f"contents/{CYCLE}")
    rows = {row["name"]: row for row in folder["content"]}
    row = rows["SANS2D00022041.nxs"]
    file = world.served / CYCLE / "SANS2D00022041.nxs"
    assert row["path"] == f"{CYCLE}/SANS2D00022041.nxs"
    assert (row["type"], row["size"], row["writable"]) == ("file", 2 * MIB, False)
    assert (row["mimetype"], row["content"], row["format"]) == (None, None, None)
    assert row["last_modified"].endswith("Z")
    assert row["created"] == row["last_modified"]
    assert row["dms"]["path"] == f"/{CYCLE}/{file.name}"
    assert row["dms"]["state"] in ("remote", "partial", "cached")
    assert rows["latest"]["type"] == "directory", "a link to a folder is walked into"


async def test_a_name_with_blanks_percent_and_accents_is_read(call: Call) -> None:
    code, file = await call("GET", f"contents/{CYCLE}/café 100%.log")
    assert (code, file["content"]) == (200, "names are names\n")


async def test_a_big_folder_is_capped_and_says_so(call: Call) -> None:
    _, folder = await call("GET", "contents/archive/many")
    assert len(folder["content"]) == 1000
    assert folder["listing"]["more"] is True


async def test_the_filter_finds_what_the_cap_left_out(call: Call) -> None:
    _, folder = await call("GET", "contents/archive/many", filter="run0124")
    names = [row["name"] for row in folder["content"]]
    assert names == [f"RUN0124{digit}.raw" for digit in range(10)]
    assert folder["listing"] == {"shown": 10, "more": False, "searched": 1250}


async def test_small_text_is_shown_read_only(call: Call) -> None:
    code, file = await call("GET", f"contents/home/{USER}/notes.txt")
    assert code == 200
    assert (file["content"], file["format"]) == ("mine\n", "text")
    assert file["writable"] is False, "the panel's drive saves nothing"


async def test_without_content_nothing_is_read(call: Call) -> None:
    code, file = await call("GET", f"contents/{CYCLE}/SANS2D00022042.nxs", content="0")
    assert (code, file["content"], file["dms"]["state"]) == (200, None, "remote")


async def test_big_files_name_the_path_to_use(call: Call, world: World) -> None:
    name = f"{CYCLE}/SANS2D00022042.nxs"
    code, answer = await call("GET", f"contents/{name}")
    assert code == 413
    assert str(world.mountpoint / name) in answer["message"]
    _, status = await call("GET", "status", path=f"/{name}")
    assert status["state"] == "remote", "refusing has fetched nothing"


async def test_binary_files_name_the_path_to_use(call: Call, world: World) -> None:
    code, answer = await call("GET", f"contents/{CYCLE}/binary.txt")
    assert code == 400
    assert str(world.mountpoint / CYCLE / "binary.txt") in answer["message"]


async def test_a_missing_entry_is_one_sentence(call: Call) -> None:
    code, answer = await call("GET", "contents/archive/nowhere.nxs")
    assert code == 404
    assert "nowhere.nxs" in answer["message"]


@pytest.mark.parametrize("path", ["archive/../etc/passwd", "archive/%2e%2e/etc/passwd"])
async def test_a_path_does_not_leave_the_tree(call: Call, path: str) -> None:
    code, _ = await call("GET", f"contents/{path}")
    assert code in (400, 404)


async def test_others_experiments_are_not_there(call: Call) -> None:
    code, _ = await call("GET", "contents/rb/LOQ/RBNumber/RB1310999")
    assert code in (403, 404)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
async def test_changes_are_refused_with_where_to_make_them(
    call: Call, world: World, method: str
) -> None:
    for path, hint in (
        (f"{CYCLE}/journal.txt", "read-only"),
        (f"home/{USER}/notes.txt", "terminal or notebook"),
    ):
        code, answer = await call(method, f"contents/{path}", body={"type": "file"})
        assert code == 405
        assert hint in answer["message"]
        assert str(world.mountpoint / path) in answer["message"]
        assert (world.served / path).exists()


async def test_there_are_no_checkpoints(call: Call) -> None:
    assert await call("GET", f"contents/{CYCLE}/journal.txt/checkpoints") == (200, [])
    code, _ = await call("POST", f"contents/{CYCLE}/journal.txt/checkpoints", body={})
    assert code == 405


async def test_an_experiment_is_found_by_its_number(call: Call) -> None:
    for number in ("RB1310123", "rb 1310123", "1310123"):
        assert await call("GET", "experiments", number=number) == (
            200,
            {"paths": [f"/{EXPERIMENT}"]},
        )
    assert await call("GET", "experiments", number="RB1310999") == (200, {"paths": []})
    code, answer = await call("GET", "experiments", number="RB*")
    assert code == 400
    assert "RB1310123" in answer["message"]
