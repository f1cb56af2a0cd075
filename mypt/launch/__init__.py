"""How a run is started and stopped: a small supervisor in a session of its own, a queue, and three ways to stop.

Nothing is imported here, so that the supervisor stays small: `start.launch`, `stop.stop`, `supervisor.main`.
"""
