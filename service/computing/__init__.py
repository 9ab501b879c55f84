"""Which requests compute, and how many may: CPU clocks and no sockets."""
