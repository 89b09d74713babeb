import json
import os
import pickle
import signal
import subprocess
import sys
import threading

import pytest

from hpotool.worker.child.attempt_link import ChannelLink, StopRequest
from hpotool.worker.process.attempt_socket import AttemptSocket
from hpotool.worker.process.channel import LONGEST, channel_pair


def test_training_goes_on_when_a_verdict_is_late_and_the_late_one_is_dropped() -> None:
    ours, theirs = channel_pair()
    link = ChannelLink(theirs)
    assert link.ask({"do": "should_prune"}, within_s=0.01, default=False) is False
    late = json.loads(ours.receive())
    ours.send_pickle((late["id"], True, None))
    ours.send_pickle((late["id"] + 1, 0.25, None))
    assert link.ask({"do": "suggest"}) == 0.25


def test_an_error_in_the_answer_is_raised_where_the_question_was_asked() -> None:
    ours, theirs = channel_pair()
    ours.send_pickle((1, None, ValueError("no such parameter")))
    with pytest.raises(ValueError, match="no such parameter"):
        ChannelLink(theirs).ask({"do": "suggest"})


def test_more_bytes_than_a_study_takes_are_refused_before_they_are_sent() -> None:
    ours, theirs = channel_pair()
    link = ChannelLink(theirs)
    with pytest.raises(ValueError, match=r"bytes are too many for a study; write them into trial\.checkpoint_dir"):
        link.tell({"do": "set_user_attr", "value": "x" * LONGEST})
    link.tell({"do": "report"})
    assert json.loads(ours.receive())["do"] == "report", "the channel is as it was"


def test_a_worker_that_is_gone_is_said_plainly() -> None:
    ours, theirs = channel_pair()
    ours.close()
    link = ChannelLink(theirs)
    for call in (link.ask, link.tell):
        with pytest.raises(RuntimeError, match="the worker does not answer: this trial's attempt is over"):
            call({"do": "report"})
    with pytest.raises(RuntimeError, match="the worker does not answer"):
        ChannelLink(None, "").tell({"do": "report"})


def test_threads_get_the_answers_to_their_own_questions() -> None:
    ours, theirs = channel_pair()
    link, answers = ChannelLink(theirs), dict[int, int]()

    def serve() -> None:
        for _ in range(40):
            request = json.loads(ours.receive())
            ours.send_pickle((request["id"], request["n"] * 10, None))

    def ask(number: int) -> None:
        for n in range(number * 10, number * 10 + 10):
            answers[n] = link.ask({"do": "x", "n": n})

    threads = [threading.Thread(target=serve), *(threading.Thread(target=ask, args=(i,)) for i in range(4))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == {n: n * 10 for n in range(40)}


def test_a_link_that_travels_connects_anew_and_mixes_with_nobody() -> None:
    listening = AttemptSocket()
    ours, theirs = channel_pair()
    link = ChannelLink(theirs, listening.address)
    elsewhere = pickle.loads(pickle.dumps(link))
    elsewhere.tell({"do": "there"})
    link.tell({"do": "here"})
    accepted = listening.accept()
    assert accepted is not None
    assert json.loads(accepted.receive())["do"] == "there"
    assert json.loads(ours.receive())["do"] == "here"
    listening.close()


def test_a_process_that_forks_keeps_its_channel_to_itself() -> None:
    listening = AttemptSocket()
    ours, theirs = channel_pair()
    link = ChannelLink(theirs, listening.address)
    if os.fork() == 0:
        try:
            link.tell({"do": "child"})
        finally:
            os._exit(0)
    os.wait()
    link.tell({"do": "parent"})
    assert json.loads(ours.receive())["do"] == "parent"
    accepted = listening.accept()
    assert accepted is not None
    assert json.loads(accepted.receive())["do"] == "child"
    listening.close()


def test_a_further_process_hears_of_the_stop_when_its_bell_is_closed() -> None:
    listening = AttemptSocket()
    request = pickle.loads(pickle.dumps(StopRequest(listening.address)))
    assert not request()
    bell = listening.accept()
    assert bell is not None
    assert json.loads(bell.receive())["do"] == "hear_stop"
    assert not request()
    bell.close()
    assert request()
    listening.close()


def test_of_an_attempt_that_is_over_a_further_process_hears_a_stop() -> None:
    assert pickle.loads(pickle.dumps(StopRequest("")))()


LISTENS = """
import os, signal, sys, time
from hpotool.worker.child.attempt_link import StopRequest
asked = StopRequest(None)
asked.listen()
child = os.fork()
if child == 0:
    print("ready", flush=True)
    time.sleep(60)
    os._exit(3)
os.kill(os.getpid(), getattr(signal, sys.argv[1]))
time.sleep(0.1)
os.kill(child, getattr(signal, sys.argv[1]))
_, status = os.waitpid(child, 0)
print(asked(), os.WIFSIGNALED(status), flush=True)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_a_stop_signal_asks_its_own_process_and_ends_those_that_it_forked(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", LISTENS, name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["True", "True"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
