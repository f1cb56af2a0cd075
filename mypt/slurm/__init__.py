"""Runs that SLURM starts: the batch file, its submission, what squeue tells of jobs, and scancel. No torch.

Nothing is imported here: `script` (pure), `submit`, `squeue` (its parser is pure), `cancel`.
"""
