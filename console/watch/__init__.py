"""What the console sees of an environment, kept fresh by threads and handed over as plain values."""
