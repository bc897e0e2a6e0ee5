import re
from dataclasses import replace

import pytest
import sqlalchemy as sa
from dealt import Asked, address

from likeness.annotation.inbox.keeping import dealt_of
from likeness.annotation.inbox.reading import standing
from likeness.annotation.layout import LAYOUT
from likeness.store import tables

SAID = {"identity": "left", "overall": "tie"}
SEEN = {**SAID, "watched": "seen"}


@pytest.mark.parametrize(
    ("said", "spent", "reason"),
    [
        (SEEN, 2.5, None),
        (SEEN, None, None),
        (SEEN, 1.5, r"submitted after 1\.5 s; the video plays 2\.0 s"),
        ({**SAID, "watched": "circle"}, 9.0, "mark at the end of the video was not named: circle"),
        (SAID, 9.0, "mark at the end of the video was not named: none"),
    ],
)
def test_an_answer_counts_whose_video_was_watched(asked, said, spent, reason):
    key = asked.keys[0]
    delivery = asked.tell(1, key, 5, said, lead_time=spent)
    with asked.workspace.reading() as connection:
        dealt = dealt_of(connection, [key])[key]
    assert dealt.plays is None  # the page of these tests asks for no proof
    raters = {"rater0": {address("rater0")}}
    assert {vote.reason for vote in standing([delivery], dealt, raters)} == {None}
    found = standing([delivery], replace(dealt, plays=2.0), raters)
    assert [vote.dimension for vote in found] == ["identity", "overall"]
    for vote in found:
        assert vote.reason is None if reason is None else re.search(reason, str(vote.reason))


def test_the_present_page_asks_for_proof(asked: Asked):
    key = asked.keys[0]
    with asked.workspace.transaction() as connection:
        connection.execute(sa.update(tables.campaigns).values(layout=LAYOUT))
    with asked.workspace.reading() as connection:
        assert dealt_of(connection, [key])[key].plays == 1.0
