"""What is measured: `python -m benchmarks [NAME …]`. Ratios come from runs in turn; figures are medians."""
