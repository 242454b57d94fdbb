"""Sans-I/O translation between chunks and wires. No await, clock, randomness or logging here."""
