"""Who computes, and how many requests may: CPU clocks and no sockets."""
