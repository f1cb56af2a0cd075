"""What stands below the chart: each panel shows one side of the run in view."""
