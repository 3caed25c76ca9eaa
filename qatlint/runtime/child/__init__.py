"""What runs in the child process: the only home of torch, and the only place where user code runs."""
