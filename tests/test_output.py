import json
import logging
import threading

from service.output import Lines


class Slow:
    """A stream that shows who writes to it at once, and keeps what it was given."""

    def __init__(self):
        self.written = []
        self.writers = 0
        self.most = 0

    def write(self, text):
        self.writers += 1
        self.most = max(self.most, self.writers)
        threading.Event().wait(0.001)
        self.written.append(text)
        self.writers -= 1

    def flush(self):
        pass


def test_every_line_of_many_threads_is_whole_and_there():
    stream = Slow()
    logger = logging.Logger("many")
    logger.addHandler(Lines(stream))

    def work(number):
        for record in range(50):
            logger.info(json.dumps([number, record]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    lines = [json.loads(line) for line in "".join(stream.written).splitlines()]
    assert sorted(lines) == [[number, record] for number in range(8) for record in range(50)]
    for number in range(8):  # each thread's own in order
        assert [record for who, record in lines if who == number] == list(range(50))
    assert stream.most == 1
    assert len(stream.written) < len(lines)  # nobody waited for each line


def test_a_stream_that_fails_does_not_keep_the_next_line_out(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)

    class Broken(Slow):
        def write(self, text):
            if not self.most:
                self.most = 1
                raise OSError("full")
            super().write(text)

    stream = Broken()
    logger = logging.Logger("broken")
    logger.addHandler(Lines(stream))
    logger.info("lost")
    logger.info("kept")

    assert stream.written == ["kept\n"]


def test_what_is_left_with_another_thread_is_flushed():
    stream = Slow()
    handler = Lines(stream)
    logger = logging.Logger("left")
    logger.addHandler(handler)
    handler.in_use.acquire()
    logger.info("left")
    assert stream.written == []
    threading.Timer(0.05, handler.in_use.release).start()
    handler.flush()

    assert stream.written == ["left\n"]


def test_a_stream_that_is_stuck_keeps_nobody_for_long():
    handler = Lines(Slow())
    handler.in_use.acquire()
    flushing = threading.Thread(target=handler.flush, daemon=True)
    flushing.start()
    flushing.join(10)
    alive = flushing.is_alive()
    handler.in_use.release()

    assert not alive
