"""Reports: what is handed over, made from what stands in rows and log, kept with its hash."""
