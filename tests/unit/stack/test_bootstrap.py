"""The setup script's decisions: which uv, from where, and when there is nothing to do."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "extra.conf"))
    return module


def test_names_no_host_of_its_own() -> None:
    text = (ROOT / "scripts" / "bootstrap.py").read_text("utf-8")
    assert "http" + "s://" not in text


def test_the_lock_pins_a_uv_for_this_machine_with_its_hash(bootstrap: ModuleType) -> None:
    version, url, sha256 = bootstrap.locked_uv()
    assert f"/uv-{version}-" in url
    assert len(bytes.fromhex(sha256)) == 32


@pytest.mark.parametrize(
    ("system", "machine", "libc", "wheel", "fits"),
    [
        ("linux", "x86_64", "glibc", "uv-1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", True),
        ("linux", "x86_64", "", "uv-1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", False),
        ("linux", "x86_64", "", "uv-1-py3-none-musllinux_1_1_x86_64.whl", True),
        ("linux", "x86_64", "glibc", "uv-1-py3-none-manylinux_2_17_i686.manylinux2014_i686.whl", False),
        ("linux", "aarch64", "glibc", "uv-1-py3-none-manylinux_2_17_aarch64.whl", True),
        ("darwin", "arm64", "", "uv-1-py3-none-macosx_11_0_arm64.whl", True),
        ("darwin", "arm64", "", "uv-1-py3-none-macosx_10_12_x86_64.whl", False),
        ("linux", "x86_64", "glibc", "uv-1-py3-none-win_amd64.whl", False),
    ],
)
def test_takes_the_wheel_of_this_machine(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    machine: str,
    libc: str,
    wheel: str,
    fits: bool,
) -> None:
    monkeypatch.setattr(bootstrap.sys, "platform", system)
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: machine)
    monkeypatch.setattr(bootstrap.platform, "libc_ver", lambda: (libc, ""))
    assert bootstrap.suits(f"scheme:/packages/{wheel}") is fits


def test_the_index_comes_from_the_environment_first(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(os.environ["PIP_CONFIG_FILE"]).write_text("[global]\nindex-url = mirror:/file/simple\n")
    monkeypatch.setenv("PIP_INDEX_URL", "mirror:/environment/simple/")
    assert bootstrap.configured_index() == "mirror:/environment/simple"


def test_the_users_pip_conf_names_the_index(bootstrap: ModuleType) -> None:
    config = Path(os.environ["HOME"]) / ".config" / "pip"
    config.mkdir(parents=True)
    (config / "pip.conf").write_text("[global]\nindex-url = mirror:/user/simple/\ncert = /ca.pem\n")
    assert bootstrap.configured_index() == "mirror:/user/simple"
    assert bootstrap.pip_setting("cert") == "/ca.pem"


def test_a_login_is_never_shown(bootstrap: ModuleType) -> None:
    assert bootstrap.without_login("http" + "://me:secret@host:1/simple") == "http" + "://host:1/simple"


def test_a_wheel_with_another_hash_is_refused(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "TOOLS", tmp_path / "tools")
    monkeypatch.setattr(bootstrap, "locked_uv", lambda: ("1", "any/uv-1.whl", "0" * 64))
    monkeypatch.setattr(bootstrap, "fetch", lambda _url: b"not the wheel")
    with pytest.raises(bootstrap.SetupError, match="Nothing was installed"):
        bootstrap.obtain_uv(None)
    assert not (tmp_path / "tools").exists()


def test_what_will_be_imported_is_compiled(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = ".venv/lib/python3.11/site-packages"
    for name in (f"{installed}/one/a.py", f"{installed}/mypy/b.py", "libs/c.py", "services/broken.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("(" if "broken" in name else "A = 1")
    (tmp_path / ".venv/bin").mkdir()
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "ENVIRONMENT", tmp_path / ".venv")
    bootstrap.compile_modules()
    assert {path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")} == {"a", "c"}


def test_a_changed_member_changes_the_fingerprint(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("uv.lock", "pyproject.toml", "services/observer/pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    before = bootstrap.fingerprint(None)
    assert bootstrap.fingerprint(None) == before
    assert bootstrap.fingerprint("mirror") != before
    (tmp_path / "services/observer/pyproject.toml").write_text("two")
    assert bootstrap.fingerprint(None) != before
