"""What requests cost, by kind."""

import pytest

from service.computing.costs import MOST_KINDS, Costs, kind_of


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "/"),
        ("/api/v1/orders", "/api/v1/orders"),
        ("/orders/17", "/orders/*"),
        ("/orders/17/", "/orders/*/"),
        ("/orders/17/items/4", "/orders/*/items/*"),
        ("/17", "/*"),
        ("/users/550e8400-e29b-41d4-a716-446655440000", "/users/*"),
        ("/blobs/9e107d9d372bb6826bd81d3542a419d6/raw", "/blobs/*/raw"),
        ("/weather/berlin", "/weather/berlin"),
        ("/c6+w94", "/c6+w94"),
        ("*", "*"),
    ],
)
def test_numbers_and_ids_are_left_out(path, kind):
    assert kind_of("GET", path) == f"GET {kind}"


def test_long_paths_do_not_grow_the_memory():
    assert len(kind_of("GET", "/" + "x" * 8000)) < 300


def test_methods_are_told_apart():
    assert kind_of("GET", "/orders") != kind_of("POST", "/orders")


def test_a_new_kind_costs_what_all_do():
    costs = Costs()
    for _ in range(100):
        costs.note("GET /", 0.02)
    assert costs.of("GET /new").typical == pytest.approx(0.02, rel=0.1)


def test_where_all_are_alike_none_is_light():
    """From the first request on."""
    costs = Costs()
    for _ in range(30):
        for kind in ("GET /a", "GET /b"):
            costs.note(kind, 0.001)
            assert not costs.is_light(kind)


def test_time_does_not_run_backwards_for_those_that_need_next_to_none():
    costs = Costs()
    for _ in range(100):
        costs.note("GET /", 0.00005)
    assert costs.of("GET /").between >= 0


def test_clients_that_invent_kinds_do_not_grow_the_memory():
    """Those that are used stay known."""
    costs = Costs()
    for number in range(10 * MOST_KINDS):
        if number % 100 == 0:
            costs.note("POST /report", 0.0 if number else 0.05)
        costs.note(f"GET /invented-{number}", 0.0004)

    assert len(costs._kinds) == MOST_KINDS
    assert costs.of("POST /report").mean > 0  # it has not begun anew
