"""The chip, without which prepare refuses to work."""

chosen = None


def set_march(march):
    global chosen
    chosen = march
