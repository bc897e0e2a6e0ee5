"""Raters' standing, and the rows of a campaign."""

from dataclasses import dataclass

import sqlalchemy as sa

from likeness.store import judging, rows, tables
from likeness.store.database import WorkspaceError
from likeness.store.judgements import Assignment, Campaign, Comparison, Rater, Vote
from likeness.store.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class CampaignRows:
    """All that is known of a campaign.

    Attributes:
        campaign: how it was planned.
        comparisons: what was asked.
        assignments: of whom.
        votes: what they answered, in the order in which it was written down.

    """

    campaign: Campaign
    comparisons: tuple[Comparison, ...]
    assignments: tuple[Assignment, ...]
    votes: tuple[Vote, ...]


def campaign_rows(ledger: Ledger, campaign: str) -> CampaignRows:
    """Read a campaign with all its rows.

    Raises:
        WorkspaceError: there is none of that name; those that are there are told.

    """
    with ledger.reading() as connection:
        found = rows.find(connection, Campaign, id=campaign)
        if not found:
            there = ", ".join(c.id for c in rows.find(connection, Campaign)) or "none"
            raise WorkspaceError(
                f"{ledger.path}: no campaign {campaign}; there are: {there}. Plan one with "
                "`likeness annotate plan`"
            )
        asked = tables.comparisons.c.campaign == campaign
        mine = sa.select(tables.comparisons.c.id).where(asked)
        views, votes = tables.assignments, tables.votes
        return CampaignRows(
            campaign=found[0],
            comparisons=tuple(
                rows.read(
                    connection,
                    Comparison,
                    sa.select(tables.comparisons).where(asked).order_by(tables.comparisons.c.id),
                )
            ),
            assignments=tuple(
                rows.read(
                    connection,
                    Assignment,
                    sa.select(views)
                    .where(views.c.comparison.in_(mine))
                    .order_by(views.c.rater, views.c.place, views.c.id),
                )
            ),
            votes=tuple(
                rows.read(
                    connection,
                    Vote,
                    sa.select(votes).where(votes.c.comparison.in_(mine)).order_by(votes.c.row),
                )
            ),
        )


def raters(ledger: Ledger) -> dict[str, Rater]:
    """Return each rater as they stand now: the newest record by id."""
    with ledger.reading() as connection:
        return judging.current_raters(connection)


def append_rater(ledger: Ledger, rater: Rater) -> None:
    """Write down what a rater is from now on, and tell the audit; earlier records stay."""
    with ledger.transaction() as connection:
        judging.one_at_a_time(connection)
        judging.append_raters(connection, [rater])
        judging.append_audit(connection, [(f"rater_{rater.standing}", rater.id, rater.to_dict())])
