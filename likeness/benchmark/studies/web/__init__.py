"""A study's own small web server: signed links, one page, no account."""
