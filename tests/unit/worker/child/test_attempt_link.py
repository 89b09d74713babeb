import json

from hpotool.worker.child.attempt_link import ChannelLink
from hpotool.worker.process.channel import channel_pair


def test_training_goes_on_when_a_verdict_is_late_and_the_late_one_is_dropped() -> None:
    ours, theirs = channel_pair()
    link = ChannelLink(theirs)
    assert link.ask({"do": "should_prune"}, within_s=0.01, default=False) is False
    late = json.loads(ours.receive())
    ours.send_pickle((late["id"], True, None))
    ours.send_pickle((late["id"] + 1, 0.25, None))
    assert link.ask({"do": "suggest"}) == 0.25
