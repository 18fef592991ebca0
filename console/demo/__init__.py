"""The embedded demo system: a small routing service in two environments, with no Docker and no network."""
