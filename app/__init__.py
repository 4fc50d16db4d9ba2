"""The roof and the basement: what starts and joins the system, and the vocabulary everybody shares."""
