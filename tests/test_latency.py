from benchmarks import latency


def test_nobody_has_more_than_half_load_when_the_machine_is_slow():
    rates = {"hellopod": [1674.0, 1031.0], "bare Flask": [4025.0, 2200.0]}

    assert latency.half_of_the_least(rates) == 515.5
