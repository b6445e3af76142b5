"""SQL, and nothing else has any: the catalogue, the journal, and the raw store beside them."""
