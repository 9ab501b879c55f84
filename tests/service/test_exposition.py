import pytest

from benchmarks import exposition

SCRAPE = "# TYPE process_open_fds gauge\nprocess_open_fds 1.5e+01\nother 2\n"


def test_reads_a_scrape():
    assert exposition.open_descriptors(SCRAPE) == 15
    assert exposition.samples(SCRAPE) == 2


def test_nothing_is_not_zero():
    with pytest.raises(AssertionError, match="process_open_fds"):
        exposition.value(SCRAPE, "no_such_metric")
