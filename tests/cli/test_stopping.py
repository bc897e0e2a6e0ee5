"""An interruption asks once, and the second is one."""

import os
import signal

import pytest

from likeness.cli.loop.stopping import stopping
from likeness.store.records import Run
from likeness.store.runs import RunFolder


@pytest.fixture(autouse=True)
def interruptible():
    """Take interruptions as a terminal's: what runs in the background ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_asks_and_the_second_interrupts(tmp_path):
    record = Run(id="a", kind="x", recipe={}, seeds=(0,), commit="c", dataset_hash="d")
    run = RunFolder.create(tmp_path / "run", record)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), run.running(), stopping(run):
        os.kill(os.getpid(), signal.SIGINT)
        assert run.stop_requested
        assert run.status.state == "stopping"
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second did not interrupt")
    assert (run.status.state, run.status.message) == ("stopped", "interrupted")
    assert signal.getsignal(signal.SIGINT) is before


def test_before_there_is_a_run_the_first_interrupts(tmp_path):
    with pytest.raises(KeyboardInterrupt), stopping(RunFolder(tmp_path / "none")):
        os.kill(os.getpid(), signal.SIGINT)
