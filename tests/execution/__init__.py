"""Running fixtures: the only tests that need torch, and they need it in a child process only."""
