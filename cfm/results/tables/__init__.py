"""Tables: a kind is a file here."""
