"""Out: tables, figures, findings, one page."""
