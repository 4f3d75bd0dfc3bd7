"""A PACS appliance: receives, indexes, finds and sends DICOM instances."""

__version__ = "0.1.0"
