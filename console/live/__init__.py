"""The real session: what the console and the command line ask, answered from hosts, feeds, store and runs."""
