"""Side-by-side measurements against Orthanc and dcmqrscp; ``make bench`` runs ``python -m benchmarks``."""
