"""``python -m tasktransfer.cli``."""

from tasktransfer.cli.app import main

main()
