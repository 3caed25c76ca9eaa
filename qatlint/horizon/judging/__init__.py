"""What the rows of the toolchain's report mean: one judgement per row, as experts read it."""
