"""The panes of the dashboard: each tells its most important thing even in ten lines of forty characters."""
