"""``python -m robustbench_snn.cli``, for checkouts that are not installed."""

from robustbench_snn.cli import main

main()
