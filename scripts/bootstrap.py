"""Makes `.venv` from `uv.lock`, on a machine that has Python 3.11 and a package index and nothing else.

    python3 scripts/bootstrap.py

Standard library only: pip, venv, ensurepip and uv may all be missing. The uv that the lock pins is fetched and
checked against the lock's SHA-256; it then installs everything else, each file checked against its hash. The
addresses come from the lock, or, where pip is configured with an index of its own (PIP_INDEX_URL, pip.conf),
from that index. Does nothing when neither the lock nor a pyproject.toml has changed since the last time.
"""

from __future__ import annotations

import base64
import configparser
import hashlib
import html
import io
import os
import platform
import re
import ssl
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
TOOLS = ROOT / ".trueup" / "tools"
STAMP = ENVIRONMENT / ".trueup-setup"
COMMAND = ENVIRONMENT / "bin" / "trueup"
OLDEST_PYTHON = (3, 11)
FETCH_TIMEOUT_S = 120
ATTEMPTS = 3
CHATTER = re.compile(
    r"\s*([+~-] |Using |Creating |Activate |Building |Built |Resolved |Prepared |Uninstalled |Installed |Checked |$)"
)
"""What uv says of every single package when all goes well."""
HARDLY_READ = r"/site-packages/(alembic|mypy|mypyc|pygments|sqlalchemy)/"
"""Half of all that is installed, and commands and tests import next to nothing of it."""


class SetupError(Exception):
    """Setup can't go on; the text says why and what to do."""


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def main() -> None:
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(
            f"Python {platform.python_version()} is too old. Install Python 3.11 or newer, "
            "then run `make setup PYTHON=python3.11`."
        )
    index = configured_index()
    wanted = fingerprint(index)
    if STAMP.exists() and STAMP.read_text("utf-8") == wanted and COMMAND.exists():
        say("the environment in .venv is up to date")
        return
    started = time.monotonic()
    uv = obtain_uv(index)
    make_environment(uv)
    if index is None:
        say("installing the locked packages into .venv (a minute with downloads, seconds without)")
        run_uv(uv, "sync", "--frozen", "--all-packages")
    else:
        install_from(index, uv)
    compile_modules()
    STAMP.write_text(wanted, "utf-8")
    say(f"done in {time.monotonic() - started:.0f} s; the command is .venv/bin/trueup")


def fingerprint(index: str | None) -> str:
    """What the environment depends on. Its path is part of it: scripts inside name their interpreter."""
    digest = hashlib.sha256()
    members = [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]
    for path in (Path(__file__), ROOT / "uv.lock", ROOT / "pyproject.toml", *sorted(members)):
        digest.update(path.read_bytes())
    for text in (str(ENVIRONMENT), platform.python_version(), index or ""):
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()


# -- where packages come from


def configured_index() -> str | None:
    """The index that uv's or pip's own configuration names; None when it is the default one."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if os.environ.get(variable):
            return os.environ[variable].rstrip("/")
    value = pip_setting("index-url")
    return value.rstrip("/") if value else None


def pip_setting(name: str) -> str | None:
    """A setting from pip's configuration files; the user's wins over the machine's."""
    if os.environ.get("PIP_CONFIG_FILE") == os.devnull:
        return None
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    files += [home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    if os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(os.environ["PIP_CONFIG_FILE"]))
    parser = configparser.ConfigParser(interpolation=None)
    parser.read([path for path in files if os.access(path, os.R_OK)], "utf-8")
    for section in ("install", "global"):
        value = parser.get(section, name, fallback="").strip()
        if value:
            return value
    return None


def certificates() -> str | None:
    """The file of certificate authorities that pip is told to use, for proxies and mirrors with their own."""
    return os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT") or pip_setting("cert")


# -- uv


def obtain_uv(index: str | None) -> Path:
    """The uv that the lock pins, fetched once and checked against the lock's hash."""
    version, url, sha256 = locked_uv()
    program = TOOLS / f"uv-{version}"
    if program.exists():
        return program
    filename = urllib.parse.unquote(url.rsplit("/", 1)[1])
    address = url if index is None else find_in_index(index, "uv", filename)
    say(f"fetching {filename}")
    content = fetch(address)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SetupError(
            f"{filename} has SHA-256 {found}, uv.lock says {sha256}. Nothing was installed. "
            "Ask whoever runs the package index why it serves another file."
        )
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith(".data/scripts/uv"))
        executable = wheel.read(member)
    TOOLS.mkdir(parents=True, exist_ok=True)
    temporary = TOOLS / f".uv-{os.getpid()}"
    temporary.write_bytes(executable)
    temporary.chmod(0o755)
    temporary.replace(program)
    return program


def locked_uv() -> tuple[str, str, str]:
    """Version, address and SHA-256 of uv's wheel for this machine, from uv.lock."""
    with (ROOT / "uv.lock").open("rb") as file:
        lock = tomllib.load(file)
    package = next(entry for entry in lock["package"] if entry["name"] == "uv")
    for wheel in package["wheels"]:
        if suits(wheel["url"]):
            return package["version"], wheel["url"], wheel["hash"].removeprefix("sha256:")
    raise SetupError(
        f"uv has no wheel for {platform.system()} on {platform.machine()}. "
        "Use Linux or macOS on x86-64 or ARM64, or install uv yourself and run `uv sync --all-packages`."
    )


def suits(url: str) -> bool:
    """Whether the wheel is for this machine: operating system, processor, and on Linux the C library."""
    tags = url.rsplit("/", 1)[1].removesuffix(".whl").split("-")[-1]
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin":
        return "macosx" in tags and ("arm64" if machine == "aarch64" else machine) in tags
    glibc = platform.libc_ver()[0] == "glibc"
    return ("manylinux" if glibc else "musllinux") in tags and any(tag.endswith(machine) for tag in tags.split("."))


def find_in_index(index: str, project: str, filename: str) -> str:
    """The file's address on a page of the simple repository API (PEP 503)."""
    page_address = f"{index}/{project}/"
    page = fetch(page_address).decode("utf-8", "replace")
    for link in re.findall(r"""href\s*=\s*["']([^"']+)["']""", page):
        address = urllib.parse.urljoin(page_address, html.unescape(link)).split("#")[0]
        if urllib.parse.unquote(address.rsplit("/", 1)[1]) == filename:
            return address
    raise SetupError(f"{without_login(index)} does not offer {filename}, which uv.lock pins. Update the mirror.")


def fetch(url: str) -> bytes:
    """The content, or a SetupError naming the address. Tries again when the connection breaks."""
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(without_login(url), headers={"Accept": "text/html, */*"})  # noqa: S310
    if parts.username:
        request.add_header("Authorization", basic(parts))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=FETCH_TIMEOUT_S, context=trust(parts)) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            final = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if final or attempt == ATTEMPTS:
                raise SetupError(
                    f"Can't fetch {without_login(url)}: {error}. Check the network, or name a mirror in "
                    "PIP_INDEX_URL or pip.conf."
                ) from error
            time.sleep(attempt)
    raise AssertionError("unreachable: the last attempt returns or raises")


def basic(parts: urllib.parse.SplitResult) -> str:
    login = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(login.encode()).decode()


def without_login(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def trust(parts: urllib.parse.SplitResult) -> ssl.SSLContext | None:
    """How the server's certificate is checked.

    A bare system may have no certificate authorities at all. What is fetched here is checked against the lock's
    SHA-256, so it is then fetched unchecked rather than not at all, unless a login would be sent along.
    """
    if parts.scheme != "https":
        return None
    context = ssl.create_default_context(cafile=certificates())
    bare = not context.cert_store_stats()["x509_ca"] and not any(Path(place).exists() for place in default_places())
    if bare and not parts.username:
        say("this system has no certificate authorities; relying on the lock's SHA-256 alone")
        return ssl._create_unverified_context()  # noqa: S323
    return context


def default_places() -> list[str]:
    paths = ssl.get_default_verify_paths()
    folder = Path(paths.openssl_capath)
    hashed = [str(path) for path in folder.glob("*.0")][:1] if folder.is_dir() else []
    return [paths.openssl_cafile, *hashed]


# -- the environment


def make_environment(uv: Path) -> None:
    """`.venv` with this Python; one that works and has the right version is kept."""
    python = ENVIRONMENT / "bin" / "python"
    ask = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)  # noqa: S603
        found = answer.stdout.strip()
    except OSError:
        found = ""
    if found == platform.python_version():
        return
    say(f"making .venv with Python {platform.python_version()}")
    run_uv(uv, "venv", "--clear", "--no-config", "--python", sys.executable, str(ENVIRONMENT))


def install_from(index: str, uv: Path) -> None:
    """The same packages with the same hashes from a mirror; the lock's addresses point at the default index."""
    listed = TOOLS / "requirements.txt"
    say(f"installing the locked packages from {without_login(index)}")
    run_uv(uv, "export", "--frozen", "--all-packages", "--no-emit-workspace", "--quiet", "-o", str(listed))
    source = ("--default-index", index, "--python", str(ENVIRONMENT / "bin" / "python"))
    run_uv(uv, "pip", "sync", "--require-hashes", *source, str(listed))
    members = sorted([*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")])
    editable = [part for member in members for part in ("--editable", str(member.parent))]
    run_uv(uv, "pip", "install", "--no-deps", *source, *editable)


def compile_modules() -> None:
    """Once, on all processors: otherwise the first commands and tests do, each process all that it imports. What
    can't be compiled is told by whoever imports it."""
    installed = ENVIRONMENT.glob("lib/python*/site-packages")
    folders = [*installed, *(ROOT / own for own in ("libs", "services", "tests/support"))]
    command = [str(ENVIRONMENT / "bin" / "python"), "-m", "compileall", "-qq", "-j", "0", "-x", HARDLY_READ]
    subprocess.run([*command, *map(str, folders)], cwd=ROOT, check=False)  # noqa: S603


def run_uv(uv: Path, *arguments: str) -> None:
    environment = {
        **os.environ,
        "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT),
        "UV_PYTHON": str(ENVIRONMENT / "bin" / "python"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",  # one line for each large download, instead of bars
    }
    environment.pop("VIRTUAL_ENV", None)
    if certificates():
        environment["SSL_CERT_FILE"] = certificates() or ""
    cache = Path(environment.get("UV_CACHE_DIR") or environment.get("XDG_CACHE_HOME") or Path.home())
    if not os.access(cache, os.W_OK):
        environment["UV_CACHE_DIR"] = str(TOOLS / "cache")
    if arguments[0] == "venv":
        environment.pop("UV_PYTHON")
    with subprocess.Popen(  # noqa: S603
        [str(uv), *arguments], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if not CHATTER.match(line):
                print(f"setup: {line.rstrip()}", file=sys.stderr, flush=True)
    if running.returncode != 0:
        raise SetupError(f"uv {arguments[0]} failed; what it said is above. Solve that and run `make setup` again.")


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"setup: {error}")
