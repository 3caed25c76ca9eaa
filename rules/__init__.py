"""The built-in rules, one file each. Shipped in the wheel as `qatlint.rules`."""
