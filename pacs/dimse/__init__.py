"""DICOM upper layer and DIMSE services (PS3.7, PS3.8): associations, SCPs, the STORE SCU."""
