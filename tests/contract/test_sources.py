"""Files of data: where they are found, how they are downloaded, that a wrong one is not taken for the right one."""

import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cfm.datasets.reading import sources
from cfm.datasets.reading.sources import Source, Unreachable, fetch_all
from cfm.datasets.snapshots import Snapshots
from cfm.errors import UserError

CONTENT = b"cells " * 500_000  # 3 MB: several blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty CFM_DATA and an empty cache; no host is known to be silent."""
    monkeypatch.setenv("CFM_DATA", str(tmp_path / "given"))
    monkeypatch.setenv("CFM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "_silent_hosts", set())
    (tmp_path / "given/sub").mkdir(parents=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["User-Agent"])
        if self.path == "/gone.npz":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if self.path == "/cut.npz" else CONTENT)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server on this machine."""
    _Handler.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_looked_for_where_it_was_put_before_the_cache(tmp_path: Path) -> None:
    source = Source("sub/cells.npz")
    assert source.find() is None
    for folder in (".", "cache", "given"):  # each goes before the last
        path = tmp_path / folder / "sub/cells.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(folder.encode())
        if folder != ".":
            assert source.find() == path
    assert Source(str(tmp_path / "sub/cells.npz")).find() == tmp_path / "sub/cells.npz"
    assert Source("sub").find() is None  # a folder is no file


def test_the_cache_is_a_folder_of_the_project_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CFM_CACHE")
    assert sources.cache() == Path("data")
    assert "/data/" in Path(".gitignore").read_text().split()


def test_a_missing_file_is_named_with_its_checksum_its_address_and_its_place(tmp_path: Path) -> None:
    reason = Source("cells.npz", SHA256, "http://host/cells.npz").unavailable_reason()
    assert reason is not None and "\n" not in reason
    for part in ("cells.npz", SHA256, "http://host/cells.npz", str(tmp_path / "cache/cells.npz"), "CFM_DATA"):
        assert part in reason
    reason = Source("cells.npz").unavailable_reason()
    assert reason is not None and "sha256" not in reason and "fetch" not in reason
    with pytest.raises(UserError, match=r"cells.npz is not there: put it at "):
        Source("cells.npz").verified()


def test_a_wrong_file_is_refused_with_both_checksums_and_left_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "given/cells.npz"
    path.write_bytes(b"other")
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(UserError, match=rf"cells.npz: another or a damaged file: its sha256 is {other}, .*{SHA256}"):
        Source("cells.npz", SHA256).verified()
    assert path.read_bytes() == b"other"
    path.write_bytes(CONTENT)
    assert Source("cells.npz", SHA256).verified() == path
    assert Source("cells.npz").verified() == path


def test_only_a_file_without_a_checksum_has_a_stamp(tmp_path: Path) -> None:
    path = tmp_path / "given/cells.npz"
    assert Source("cells.npz").stamp() is None
    path.write_bytes(b"one")
    before = Source("cells.npz").stamp()
    path.write_bytes(b"another")
    assert before is not None and Source("cells.npz").stamp() != before
    assert Source("cells.npz", SHA256).stamp() is None


def test_a_download_comes_whole_into_the_cache(tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = Source("sub/cells.npz", SHA256, f"{server}/cells.npz")
    source.fetch()
    assert (tmp_path / "cache/sub/cells.npz").read_bytes() == CONTENT
    assert source.unavailable_reason() is None and source.verified() == tmp_path / "cache/sub/cells.npz"
    assert capsys.readouterr().err.startswith("downloading sub/cells.npz (3.0 MB) from 127.0.0.1")
    source.fetch()
    assert len(_Handler.asked) == 1 and "Python" not in _Handler.asked[0]


def test_a_download_with_another_checksum_is_not_kept(tmp_path: Path, server: str) -> None:
    wrong = "0" * 64
    with pytest.raises(
        UserError, match=rf"/cells.npz: another or a damaged file: its sha256 is {SHA256}, .*{wrong}"
    ) as e:
        Source("cells.npz", wrong, f"{server}/cells.npz").fetch()
    assert not isinstance(e.value, Unreachable) and "\n" not in str(e.value)
    assert _files(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "reason"), [("gone.npz", "404: Not Found"), ("cut.npz", "ended after 1000 of 3000000 bytes")]
)
def test_a_download_that_fails_leaves_nothing(tmp_path: Path, server: str, name: str, reason: str) -> None:
    with pytest.raises(Unreachable, match=rf"{name}: not downloaded from {server}/{name}: .*{reason}"):
        Source(name, SHA256, f"{server}/{name}").fetch()
    assert _files(tmp_path) == []
    Source("cells.npz", SHA256, f"{server}/cells.npz").fetch()  # the host is asked again: it did answer


def test_a_host_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(Unreachable, match=r"one.npz: not downloaded from .*refused"):
        Source("one.npz", SHA256, f"http://{address}/one.npz").fetch()
    with pytest.raises(Unreachable, match=f"two.npz: not downloaded: {address} did not answer"):
        Source("two.npz", SHA256, f"http://{address}/two.npz").fetch()


def _dataset(file: str, url: str | None, left_out: int = 1, sha256: str = SHA256) -> Snapshots:
    return Snapshots(file, "pcs", "t", 5, snapshots=4, left_out=left_out, sha256=sha256, url=url)


def test_all_files_are_fetched_once_and_one_failure_stops_no_other(
    tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets = [
        _dataset("gone.npz", f"{server}/gone.npz"),
        _dataset("bad.npz", f"{server}/bad.npz", sha256="0" * 64),
        _dataset("unknown.npz", None),
        _dataset("good.npz", f"{server}/good.npz", 1),
        _dataset("good.npz", f"{server}/good.npz", 2),  # the same file
    ]
    assert fetch_all(datasets) == 2
    assert _files(tmp_path) == ["good.npz"] and len(_Handler.asked) == 3
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith("downloading")] == ["warning", "error"]
    assert fetch_all(datasets[3:]) == 0 and fetch_all(datasets[:1]) == 0


def test_a_folder_is_a_file_where_it_ends_in_zarr_and_changes_with_what_is_in_it(tmp_path: Path) -> None:
    store = tmp_path / "given/cells.zarr"
    (store / "obs").mkdir(parents=True)
    (store / "obs/t").write_bytes(b"1")
    source = Source("cells.zarr")
    assert source.verified() == store and source.unavailable_reason() is None
    first = source.stamp()
    assert first == source.stamp()
    (store / "obs/t").write_bytes(b"12")
    second = source.stamp()
    (store / "obs/u").write_bytes(b"")
    assert len({first, second, source.stamp()}) == 3
    with pytest.raises(UserError, match=r"cells.zarr: sha256: a folder has none: leave it out, or name a file$"):
        Source("cells.zarr", sha256=SHA256).verified()
    (tmp_path / "given/cells.h5ad").mkdir()
    assert Source("cells.h5ad").find() is None
