"""Each of gunicorn's settings is decided about: it may be set, or there is another way."""

import contextlib
import shlex

import pytest
from gunicorn.config import KNOWN_SETTINGS, Config

from service.config import SettingError
from service.gunicorn_options import (
    ALLOWED,
    INSTEAD,
    LIMITS,
    REFUSED,
    check_arguments,
    check_configuration,
    configured,
)

OURS = {"bind": "[::]:8000", "workers": 1, "threads": 64, "accesslog": "-", "keepalive": 75}
NAMES = {setting.name: setting for setting in KNOWN_SETTINGS}
# Values that gunicorn takes, for settings that do not take just any.
VALUES = {
    **dict.fromkeys(LIMITS, "1000"),
    "chdir": "/",
    "user": "65534",
    "group": "65534",
    "umask": "77",
    "reload_engine": "poll",
    "protocol": "uwsgi",
    "http_protocols": "h1,h2",
    "syslog_addr": "udp://localhost:1",
    "syslog_facility": "daemon",
    "statsd_host": "localhost:1",
    "ssl_version": "TLSv1_2",
    "proxy_allow_ips": "*",
    "forwarded_allow_ips": "*",
    "header_map": "dangerous",
    "http_parser": "python",
    "asgi_loop": "asyncio",
    "asgi_lifespan": "on",
    "control_socket_mode": "0o660",
}
# The option of this one sets what is its default.
CLI = sorted(name for name in NAMES if NAMES[name].cli and name != "suppress_ragged_eofs")


def options(name):
    """Return arguments that set it to what is neither its default nor ours."""
    setting = NAMES[name]
    option = setting.cli[-1]
    if setting.action in ("store_true", "store_const"):
        return [option]
    return [f"{option}={VALUES.get(name, '7')}"]


def test_every_setting_is_decided():
    """A new gunicorn has new ones: put each in one of the two lists."""
    assert ALLOWED.isdisjoint(REFUSED)
    assert ALLOWED | REFUSED.keys() == NAMES.keys()
    assert len(REFUSED) == sum(len(names.split()) for names in INSTEAD.values())


@pytest.mark.parametrize("name", CLI)
def test_an_option(name):
    arguments = options(name)
    option = arguments[0].partition("=")[0]
    for source, *given in (("", arguments, ""), (" in GUNICORN_CMD_ARGS", [], arguments[0])):
        if name in ALLOWED:
            check_arguments(OURS, *given)
            continue
        with pytest.raises(SettingError) as refused:
            check_arguments(OURS, *given)
        message = str(refused.value)
        assert message.startswith(option + "=")
        assert message.endswith(f"{source} is not allowed: {REFUSED[name]}")
        assert "\n" not in message and len(message) < 250


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name):
    """0 is none to gunicorn, and would be all to the runtime; with 1 every probe would fail."""
    option, least = NAMES[name].cli[-1], LIMITS[name]
    for value in (0, 1, least - 1):
        message = f"{option}={value} is not allowed: at least {least}, for probes and scrapes"
        assert refusal(f"{option}={value}") == message
    check_arguments(OURS, [f"{option}={least}"], "")


def test_what_changes_nothing():
    check_arguments(OURS, ["--workers=1", "--keep-alive", "75", "app:app"], "--threads 64")


def refusal(*arguments, variable=""):
    """Return in which words they are refused. These are one line."""
    with pytest.raises(SettingError) as refused:
        check_arguments(OURS, list(arguments), variable)
    message = str(refused.value)
    assert message.isprintable() and message.isascii() and len(message) < 300
    return message


@pytest.mark.parametrize("name", CLI)
def test_an_absurd_value(name):
    """Refused in one line; where gunicorn takes any text, nothing else is raised."""
    for value in "absurd", "-1", "a\nb", "é\x1b[2J", "'", "9" * 5000:
        argument = f"{NAMES[name].cli[-1]}={value}"
        for arguments, variable in ([argument], ""), ([], shlex.quote(argument)):
            if name not in ALLOWED or (name in LIMITS and not value.startswith("9")):
                assert " is not allowed: " in refusal(*arguments, variable=variable)
                continue
            with contextlib.suppress(SettingError):
                check_arguments(OURS, arguments, variable)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("--no-such", "unrecognized arguments: --no-such"),
        ("--no-such\\\n=1", "unrecognized arguments: --no-such"),
        ("--workers abc", "argument -w/--workers: invalid int value: 'abc'"),
        ("--workers", "argument -w/--workers: expected one argument"),
        ("--daemon=yes", "argument -D/--daemon: ignored explicit argument 'yes'"),
        ("--wor 4", "ambiguous option: --wor could match --workers, --worker-class"),
        ("--name 'a: error: b' --no-such", "unrecognized arguments: --no-such"),
    ],
)
def test_what_gunicorn_cannot_parse(text, reason):
    assert refusal(variable=text).startswith(f"GUNICORN_CMD_ARGS is not allowed: {reason}")
    assert refusal(*shlex.split(text)).startswith(f"the command line is not allowed: {reason}")


@pytest.mark.parametrize("text", ["'", '--name "a', "\\"])
def test_a_quotation_without_an_end(text):
    assert refusal(variable=text).startswith("GUNICORN_CMD_ARGS is not allowed: No ")


def test_a_short_option_and_the_beginning_of_a_long_one():
    for text in ("-w4", "-w 4", "--workers=4"):
        assert refusal(variable=text).startswith("--workers=4 in GUNICORN_CMD_ARGS is not")
    assert refusal("--worker-cl", "gevent").startswith(
        "--worker-class='gevent' is not allowed: one "
    )


def test_what_the_command_line_alone_can_say():
    """gunicorn would ignore it in the variable, or serve nothing."""
    ours = ["--config", "python:service.gunicorn_conf"]
    for text in ("-h", "--help", "-v", "--version"):
        assert "serve nothing" in refusal(variable=text)
    assert refusal(*ours, variable="-c other.py").startswith("--config='other.py' in GUNICORN_CMD")
    assert refusal(*ours, variable="app:app").startswith("an app in GUNICORN_CMD_ARGS is not")
    check_arguments(OURS, [], " ".join(ours))
    check_arguments(OURS, ours, " ".join(ours))


def test_the_reason_of_a_value_that_gunicorn_does_not_take():
    message = "--chdir='/no/folder' is not allowed: can't chdir to '/no/folder'"
    assert refusal("--chdir", "/no/folder") == message


def test_a_secret_is_not_shown():
    with pytest.raises(SettingError, match=r"^--env='\*\*\*' in GUNICORN_CMD_ARGS is not allowed"):
        check_arguments(OURS, [], "--env PASSWORD=geheim")
    for text in ("--evn=PASSWORD=geheim", "--e=geheim", "A=geheim", "--paste=a --no=geheim"):
        assert "geheim" not in refusal(variable=text)


def test_another_configuration():
    """One that builds on ours and sets something, as only a file can for hooks."""
    for name in NAMES:
        config = configured(OURS)
        check_configuration(OURS, config)
        config.settings[name].value = LIMITS.get(name, object())
        if name in ALLOWED:
            check_configuration(OURS, config)
            continue
        with pytest.raises(SettingError, match=" is not allowed: "):
            check_configuration(OURS, config)


def test_gunicorn_knows_no_more():
    """What is not in KNOWN_SETTINGS cannot be set at all."""
    assert Config().settings.keys() == NAMES.keys()
