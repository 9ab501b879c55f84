from benchmarks.instructions import FEW, MANY, counted, each


def test_all_processes_are_counted(tmp_path):
    for pid, total in ((7, 1200), (8, 34)):
        tmp_path.joinpath(str(pid)).write_text(f"events: Ir\nsummary: 5\n\ntotals: {total}\n")

    assert counted(str(tmp_path)) == 1234


def test_what_a_start_takes_does_not_count():
    asked = []

    def count(requests):
        asked.append(requests)
        return 5_000_000 + 2_000 * requests

    assert each(count) == [2.0]
    assert asked == [FEW, MANY]
