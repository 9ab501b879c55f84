from benchmarks import throughput


def test_it_is_never_more_than_half_load_when_the_machine_is_slow():
    assert throughput.half_of_the_least([1674.0, 1031.0, 1700.0]) == 515.5
