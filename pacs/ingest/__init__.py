"""Bulk import: walks files, hands them to the archive, reports."""
