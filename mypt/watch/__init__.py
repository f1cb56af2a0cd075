"""From files on disk to the living picture of a workspace; imports neither torch nor textual.

`follow` turns a growing log into events, `history` folds events into what a run is and was (its curves are
`column`s), `inventory` joins logs, run records and checkpoints into the runs of a workspace. Nothing here writes.
"""
