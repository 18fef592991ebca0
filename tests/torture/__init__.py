"""Long, seeded attacks on the whole program. Each module has one function that gives figures; a sample is a test."""
