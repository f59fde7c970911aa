"""Result files to pages that need no network; write_report is the entrance."""
