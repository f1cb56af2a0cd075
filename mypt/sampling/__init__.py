"""A process that lets checkpoints write for whoever asks over a pipe, so that a dashboard needs no torch.

`protocol` is what is said, `settings` how to draw, `process` holds the other end of the pipe; none of them needs torch.
`python -m mypt.sampling` is the process itself: `server` takes requests in turn, `models` keeps what is loaded,
`stream` draws one text.
"""
