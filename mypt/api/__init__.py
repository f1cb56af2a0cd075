"""What programs call: the command line's abilities as plain functions. `mypt` itself offers them by name.

Nothing here imports torch before it is needed. Expected errors are `mypt.errors.UserError` and `RunError`, raised
where the command line would print a sentence and exit.
"""
