"""docs/environment.md is what the code does."""

import re
import signal
from pathlib import Path

import pytest
from gunicorn.config import KNOWN_SETTINGS

from service import drain, environment
from service.config import SettingError
from service.gunicorn_options import ALLOWED
from service.heartbeat import folder
from service.runtime.worker import FOR_MASTER

PAGE = (Path(__file__).parents[2] / "docs/environment.md").read_text()


def table(heading):
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {row[0].strip(" `"): row[1].strip() for row in rows[2:]}


def test_signals():
    documented = table("Signals")
    nothing = {name for name, effect in documented.items() if effect.startswith("nothing")}

    ignored = {signal.Signals(number).name for number in drain.IGNORED}
    assert ignored - {"SIGHUP"} | {"SIGWINCH", "SIGALRM"} == nothing
    assert set(drain.IGNORED) | {signal.SIGALRM} == set(FOR_MASTER)
    assert {number.name for number in drain.STOP_SIGNALS} <= documented.keys()


def test_variables():
    assert table("Variables that are refused") == environment.REFUSED


@pytest.mark.parametrize("name", environment.REFUSED)
def test_a_variable_is_refused(name):
    with pytest.raises(SettingError) as refused:
        environment.check({name: "x"})
    assert str(refused.value) == f"{name}='x' is not allowed: {environment.REFUSED[name]}"
    environment.check({name: ""})
    for value in environment.HARMLESS.get(name, ()):
        environment.check({name: value})


def test_the_heartbeat_goes_where_a_file_can_be_written(tmp_path):
    assert folder("/no/such/folder", str(tmp_path)) == str(tmp_path)
    assert folder(str(tmp_path), "/no/such/folder") == str(tmp_path)
    with pytest.raises(OSError, match="No such file or directory"):
        folder("/no/such/folder")


def test_gunicorns_settings():
    documented = table("gunicorn's settings")
    options = {setting.name: setting.cli for setting in KNOWN_SETTINGS}

    assert documented.keys() == ALLOWED
    for name, text in documented.items():
        for option in re.findall(r"`(--[\w-]+)`", text):
            assert option in options[name]
