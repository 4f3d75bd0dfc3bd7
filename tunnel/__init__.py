"""TLS for every DICOM connection: ghostunnel's command lines, certificates, and the processes watched.

Shares no code with ``pacs``: the two meet only in ports, in the peer registry's file and in the state file.
"""
