"""NAME_FILE in place of NAME."""

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from service.config import Config, SettingError, _setting
from service.parsing import text

TOKEN = "geheim-and-long-enough"
NOBODY = 65534  # the id of a user to whom nothing belongs


@pytest.fixture
def file(tmp_path):
    """Makes a file of bytes, and returns its path."""

    def make(data: bytes) -> str:
        (tmp_path / "value").write_bytes(data)
        return str(tmp_path / "value")

    return make


@pytest.fixture
def file_of_all():
    """Give the path of a file of TOKEN that every user may read; tmp_path is closed to others."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "value")
        path.write_text(TOKEN)
        for each in (directory, path):
            os.chmod(each, 0o755)  # noqa: S103
        yield str(path)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_is_the_value(file, end):
    config = Config.from_env({"CHAOS_TOKEN_FILE": file((TOKEN + end).encode())})

    assert config.chaos_token == TOKEN
    assert TOKEN not in repr(config)


def test_one_newline_is_cut_and_no_more(file):
    with pytest.raises(SettingError, match="CHAOS_TOKEN_FILE=.* is not allowed: what it holds is"):
        Config.from_env({"CHAOS_TOKEN_FILE": file(f"{TOKEN}\n\n".encode())})


@pytest.mark.parametrize("name", [setting.name for setting in fields(Config)])
def test_any_setting_has_one(file, name):
    """A file that is missing is one that was looked for."""
    with pytest.raises(SettingError, match=f"^{name.upper()}_FILE='/none/there' is not allowed: "):
        Config.from_env({f"{name.upper()}_FILE": "/none/there"})


def test_what_a_file_holds_is_parsed_and_starred(file):
    config = Config.from_env({"PORT_FILE": file(b"8123\n")})

    assert (config.port, config.public()["PORT"]) == (8123, "***")
    assert config.public()["MANAGEMENT_PORT"] == 9000


def test_password_in_a_url_is_starred():
    @dataclass(frozen=True, kw_only=True)
    class WithDatabase(Config):
        database: str = _setting("", text, "URL")

    def shown(url):
        return WithDatabase.from_env({"DATABASE": url}).public()["DATABASE"]

    assert shown("postgresql://app:geheim@db/orders") == "***"
    assert shown("postgresql:///orders?host=/run&password=geheim") == "***"
    for without in ("postgresql://app@db/orders", "postgresql:///orders?host=/run"):
        assert shown(without) == without


def test_a_setting_of_that_name_comes_first():
    @dataclass(frozen=True, kw_only=True)
    class WithFile(Config):
        tls_cert: str = _setting("", text, "of its own")

    given = {"TLS_CERT_FILE": "/none/there", "TLS_KEY_FILE": "/none/there"}

    assert WithFile.from_env(given).tls_cert_file == "/none/there"


def test_both_are_too_many(file):
    given = {"CHAOS_TOKEN": TOKEN, "CHAOS_TOKEN_FILE": file(b"another-and-long-enough")}

    with pytest.raises(SettingError, match="is not allowed: CHAOS_TOKEN is set too$"):
        Config.from_env(given)


def test_empty_is_unset():
    assert Config.from_env({"CHAOS_TOKEN_FILE": ""}) == Config()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"\xff\xfe", "the file is not UTF-8"),
        (b"x" * 65537, "the file has more than 65536 bytes"),
        (b"geheim", "what it holds is not 16 to 200 letters"),
    ],
)
def test_what_cannot_be_a_value(file, data, reason):
    with pytest.raises(
        SettingError, match=f"^CHAOS_TOKEN_FILE='/.*' is not allowed: {reason}"
    ) as e:
        Config.from_env({"CHAOS_TOKEN_FILE": file(data)})

    assert "geheim" not in str(e.value)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path, "it is not a file"),
        (tmp_path / "pipe", "it is not a file"),
        (tmp_path / "none", "the file cannot be read: No such file or directory"),
        ("/" + "a" * 300, "the file cannot be read: File name too long"),
    ):
        with pytest.raises(SettingError, match=f" is not allowed: {reason}$"):
            Config.from_env({"CHAOS_TOKEN_FILE": str(path)})


@contextmanager
def as_nobody():
    """Be somebody else for the length of the block, if this is root: root may read everything."""
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_what_may_not_be_read(file_of_all):
    with as_nobody():
        assert Config.from_env({"CHAOS_TOKEN_FILE": file_of_all}).chaos_token == TOKEN
    os.chmod(file_of_all, 0)

    with as_nobody(), pytest.raises(SettingError, match="cannot be read: Permission denied$"):
        Config.from_env({"CHAOS_TOKEN_FILE": file_of_all})


def test_the_secret_in_the_place_of_its_file_is_not_shown():
    with pytest.raises(SettingError, match=r"^CHAOS_TOKEN_FILE='\*\*\*' is not allowed: "):
        Config.from_env({"CHAOS_TOKEN_FILE": TOKEN})
