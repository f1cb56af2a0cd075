"""What is measured: `python -m benchmarks [NAME …]`. Ratios come from runs in turn; figures are medians."""

import tui  # noqa: F401  # before anything imports textual, which reads the frame rate once
