"""HTTP: health and metrics now, the administrator's console later."""
