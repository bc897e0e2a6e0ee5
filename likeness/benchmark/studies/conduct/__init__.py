"""Holding a study: who sees what, links, the folder, its rows, and a rater's sitting.

    plan --(allocation, media)--> folder: plan.toml, deal.json, media/, secret, study.db
    link --(signature, first browser)--> sitting --> state of one trial --> answer --> a row

Nothing here knows of HTTP: `web` serves a sitting to browsers, and other pages can.
"""
