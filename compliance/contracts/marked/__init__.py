"""Tables by their marks: columns, paths and what is done by them; `MarkedTables` is the source that is made of it."""
