"""The use cases: store, find, retrieve, delete, import, verify, rebuild. They know no protocol."""
