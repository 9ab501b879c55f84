"""TLS for a server that never blocks, with certificates that change under way."""
