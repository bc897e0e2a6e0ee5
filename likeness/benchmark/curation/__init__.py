"""From any collection of clips to the pairs of a cross-scene suite (TAVR, section 4).

    DIR/curation/made.json       what clips are judged with: settings and hashes of weights
    DIR/curation/clips/12/12...  what became of each clip: its face and scene, or why it was refused
    DIR/rejections.csv           every clip and pair that was left out, and why
    DIR/clips.csv, pairs.csv     who is in which clip, and how alike the scenes are
    DIR/review.html, sheets/     the manual check; decisions.csv is what it gives
    DIR/suite.json, workspace/   the frozen suite

A clip is judged by itself, so a curation that was stopped goes on, and any number of processes
gives the same.
"""
