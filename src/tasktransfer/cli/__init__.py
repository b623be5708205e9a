"""The command line: one file a question, options and echo only. Nothing heavy is loaded before a command runs."""

from tasktransfer.cli.app import app, main

__all__ = ["app", "main"]
