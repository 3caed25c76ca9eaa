"""From the dotted names of the toolchain's report to lines of source."""
