"""The script that Streamlit runs for each visitor: which pages there are."""

from collections.abc import Callable

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from likeness.dashboards import desk
from likeness.dashboards.screens import clips, home, leaderboard, runs
from likeness.dashboards.wording import plain
from likeness.store.errors import LikenessError

PAGES = (
    ("Home", "home", home.show),
    ("Clips and rewards", "clips", clips.show),
    ("Leaderboard", "leaderboard", leaderboard.show),
    ("Runs", "runs", runs.show),
)
NARROW = "<style>.stMainBlockContainer { padding: 3.5rem 2rem 3rem; }</style>"


def main() -> None:
    """Draw the page that is asked for."""
    st.set_page_config(page_title="Likeness", layout="wide")
    pages = {
        path: st.Page(kept(show, path), title=title, url_path=path, default=place == 0)
        for place, (title, path, show) in enumerate(PAGES)
    }
    st.session_state["pages"] = pages  # for links from one to another
    chosen = st.navigation(list(pages.values()), position="top")
    st.html(NARROW)
    chosen.run()
    st.caption(f"{plain(desk.name())} · open to this machine only, without accounts")


def kept(show: Callable[[], None], name: str) -> Callable[[], None]:
    """Say what is wrong with a workspace instead of failing."""

    def page() -> None:
        try:
            show()
        except LikenessError as error:
            st.error(plain(str(error)))
        except SQLAlchemyError as error:
            st.error(
                f"The database can't be read: {plain(str(getattr(error, 'orig', error)))}. "
                "`likeness doctor` checks the machine; `likeness runs list` the workspace."
            )

    page.__name__ = name
    return page


if __name__ == "__main__":
    main()
