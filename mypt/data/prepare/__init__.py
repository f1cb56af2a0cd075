"""From texts and conversations to a dataset folder; a file a step, and no torch anywhere.

`request` says what is asked for and what came of it; `staging` makes the folder whole or absent.
"""
