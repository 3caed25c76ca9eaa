"""Source -> Trace: abstract interpretation of model classes. Never imports or runs user code."""
