"""The page at `/` in a real browser, with pods that are processes here."""

import re
from datetime import datetime

import pytest
from selenium_axe_python import Axe

from tests.e2e.browser import chromium
from tests.process.balancer import Balancer
from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import eventually

TOKEN = "0123456789abcdef"


def pod(name, **settings):
    return Gunicorn(POD_NAME=name, NODE_NAME=f"node-of-{name}", **settings)


@pytest.fixture(scope="module")
def page():
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def service():
    with pod("a") as a, pod("b") as b, Balancer(a.port, b.port) as balancer:
        yield balancer


def show(page, url):
    page.open("about:blank")
    page.console()
    page.open(url)


def wait_in_the_app(page, seconds):
    """Hold a slot from within the page."""
    page.script(
        "fetch(arguments[0], {headers: {Authorization: 'Bearer ' + arguments[1]}})",
        f"chaos/wait?seconds={seconds}",
        TOKEN,
    )


def test_shows_every_pod_that_answers(page, service):
    show(page, service.url)
    eventually(lambda: page.count("answered") >= 12)

    tiles = page.tiles()
    assert set(tiles) == {"a", "b"}
    assert tiles["a"]["node"] == "node-of-a"
    assert tiles["a"]["colour"] == tiles["b"]["colour"]
    assert sum(tile["share"] for tile in tiles.values()) in (99, 100, 101)
    assert min(tile["share"] for tile in tiles.values()) >= 25  # connections go to both in turn
    assert tiles["a"]["label"] == "Share of the last 100 answers"
    assert tiles["a"]["latency"].endswith(" ms")
    assert (page.count("shed"), page.count("failed")) == (0, 0)
    assert page.text("#single") == ""
    assert page.console() == []


def test_times_are_those_of_the_reader(page, service):
    show(page, service.url)
    eventually(lambda: page.text("#events"))

    started = page.driver.find_element("css selector", "#started")
    assert datetime.fromisoformat(started.get_attribute("datetime")).tzinfo
    assert started.get_attribute("title") == started.get_attribute("datetime")
    clock = r"\d\d:\d\d:\d\d [AP]M"  # of a reader in the United States, as this browser is
    assert re.fullmatch(clock, started.text)
    assert re.match(clock, page.text("#events"))


def bars(page):
    """Return the colour of each tile's bar, near its left end: no style tells of what is inside."""
    meters = page.driver.find_elements("css selector", "#tiles meter")
    return [page.driver.execute_async_script(PIXEL, each.screenshot_as_base64) for each in meters]


PIXEL = """
    const [picture, done] = arguments, image = new Image();
    image.onload = () => {
      const pen = document.createElement("canvas").getContext("2d");
      pen.drawImage(image, 0, 0);
      const [red, green, blue] = pen.getImageData(5, image.height / 2, 1, 1).data;
      done(`rgb(${red}, ${green}, ${blue})`);
    };
    image.src = `data:image/png;base64,${picture}`;
"""


def test_rollout(page):
    with (
        pod("old", VERSION="1.0.0", DRAIN_SECONDS="3") as old,
        Balancer(old.port) as balancer,
        pod("new", VERSION="1.1.0") as new,
    ):
        show(page, balancer.url)
        eventually(lambda: page.versions() == {"1.0.0"})
        balancer.backends = [old.port, new.port]
        eventually(lambda: page.versions() == {"1.0.0", "1.1.0"})
        tiles = page.tiles()
        assert tiles["old"]["colour"] != tiles["new"]["colour"]
        assert bars(page) == [tile["colour"] for tile in tiles.values()]
        assert not tiles["old"]["draining"]
        old.process.terminate()
        eventually(lambda: page.tiles()["old"]["draining"])
        balancer.backends = [new.port]
        eventually(lambda: page.versions() == {"1.1.0"}, seconds=20)

        assert page.count("failed") == 0
        assert page.blocks().keys() == {"var(--version-0)", "var(--version-1)"}
        assert page.console() == []
        log = page.text("#events")
        for line in ("old is draining", "old answers no more", "new answers, version 1.1.0"):
            assert line in log


def test_chain(page):
    """Who answers at every hop, and who does not."""
    with pod("c") as last, pod("b", UPSTREAMS=url(last)) as middle:
        with pod("a", UPSTREAMS=f"{url(middle)},http://127.0.0.1:1") as first:
            show(page, url(first))
            eventually(lambda: "c, 200" in page.text("#chain"))

            lines = page.text("#chain").splitlines()
            assert [line.rpartition(",")[0] for line in lines] == [
                "a, 200",
                f"127.0.0.1:{middle.port}: b, 200",
                f"127.0.0.1:{last.port}: c, 200",
                "127.0.0.1:1: no pod, 502 (connect)",
            ]
            assert page.console() == []


def url(server):
    return f"http://127.0.0.1:{server.port}"


def test_a_killed_pod_goes_too(page):
    with pod("a") as a, pod("b") as b, Balancer(a.port, b.port) as balancer:
        show(page, balancer.url)
        eventually(lambda: set(page.tiles()) == {"a", "b"})
        balancer.backends = [a.port]
        eventually(lambda: set(page.tiles()) == {"a"}, seconds=30)


def test_one_pod_alone_is_remarked(page):
    """As through a port-forward, whatever the Service has; and no more once another one answers."""
    with pod("a") as a, pod("b") as b, Balancer(a.port) as balancer:
        show(page, balancer.url)
        eventually(lambda: page.count("answered") >= 5)
        assert page.text("#single") == ""
        eventually(lambda: "make up" in page.text("#single"), seconds=30)
        assert "kubectl port-forward reaches one pod" in page.text("#single")
        balancer.backends = [a.port, b.port]
        eventually(lambda: page.text("#single") == "")
        assert set(page.tiles()) == {"a", "b"}


def test_sheds_and_failures_are_counted_apart(page):
    with pod("a", CHAOS_TOKEN=TOKEN, CONCURRENCY="1", QUEUE_LENGTH="0") as a:
        show(page, f"http://127.0.0.1:{a.port}/")
        eventually(lambda: page.count("answered") >= 2)
        wait_in_the_app(page, seconds=3)
        eventually(lambda: page.count("shed") >= 2)
        assert page.count("failed") == 0
        shed = page.count("answered")
        eventually(lambda: page.count("answered") > shed)
    eventually(lambda: page.count("failed") >= 2)
    eventually(lambda: page.blocks()["var(--bad)"] == page.count("shed") + page.count("failed"))


def test_without_javascript(service):
    with chromium(javascript=False) as page:
        page.open(service.url)
        assert page.text("h1") in ("Hello from container a!", "Hello from container b!")
        assert "node-of-" in page.text("#identity")
        assert datetime.fromisoformat(page.text("#started")).tzinfo
        assert "Reload" in page.text("noscript")
        assert page.text("#live") == ""


def test_pause_with_the_keyboard(page, service):
    show(page, service.url)
    eventually(lambda: page.count("answered") >= 2)
    body = page.driver.find_element("css selector", "body")
    body.send_keys("\ue004")  # Tab
    focused = page.driver.switch_to.active_element
    assert focused.text == "Pause"
    focused.send_keys("\ue007")  # Enter
    assert focused.text == "Continue"
    before = page.count("answered")
    page.script("window.before = performance.now()")
    eventually(lambda: page.script("return performance.now() - window.before > 1500"))
    assert page.count("answered") == before
    focused.send_keys(" ")
    eventually(lambda: page.count("answered") > before)


@pytest.fixture(params=["light", "dark"])
def scheme(page, request):
    media = {"features": [{"name": "prefers-color-scheme", "value": request.param}]}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    yield request.param
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.fixture(params=[320, 1200], ids=["phone", "desk"])
def width(page, request):
    """A phone as narrow as WCAG 2.2 asks for (1.4.10), and a window."""
    phone = request.param < 500
    screen = {"width": request.param, "height": 800, "deviceScaleFactor": 1, "mobile": phone}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    yield request.param
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def violations(page):
    """Return what axe finds, as text."""
    checker = Axe(page.driver)
    checker.inject()
    found = checker.run()["violations"]
    return checker.report(found) if found else ""


def test_accessible(page, service, scheme, width):
    show(page, service.url)
    eventually(lambda: set(page.tiles()) == {"a", "b"})

    assert violations(page) == ""
    assert page.script("return document.documentElement.scrollWidth") <= width
    background = page.script("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")


def test_accessible_when_it_goes_badly(page, scheme):
    """The colours and texts of a rollout, of sheds, and of a pod alone."""
    with (
        pod("old", VERSION="1.0.0", DRAIN_SECONDS="20") as old,
        pod("new", VERSION="1.1.0", CHAOS_TOKEN=TOKEN, CONCURRENCY="1", QUEUE_LENGTH="0") as new,
        Balancer(old.port, new.port) as balancer,
    ):
        show(page, balancer.url)
        eventually(lambda: page.versions() == {"1.0.0", "1.1.0"})
        balancer.backends = [new.port]
        wait_in_the_app(page, seconds=2)
        eventually(lambda: page.count("shed") >= 1)
        balancer.backends = [old.port]
        old.process.terminate()
        eventually(lambda: page.tiles()["old"]["draining"])
        assert set(page.tiles()) == {"old", "new"}

        assert violations(page) == ""
