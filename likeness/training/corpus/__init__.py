"""Clips on disk, cut into windows and encoded once: what long trainings read.

    DIR/corpus.json         what it was made with: checkpoint, encoders' hashes, settings
    DIR/shards/ab/abc...    windows of one clip, safetensors named by the hash of their bytes
    DIR/clips/12/123...     what became of each clip: its windows, or why it was refused
    DIR/index.parquet       a row a window, once all clips are done
    DIR/card.md, card.json  how many, of whom, what was refused and why

A shard holds windows of one clip alone, so a clip is done when its shards and its record are there:
a making that was killed goes on, any number of processes makes the same bytes, clips can be added,
and a person's can be removed.
"""
