"""Stand-in for the names of the toolchain, put on `sys.path` of the test's child process only.

Stubs are identities and FloatFunctional computes, so a fixture gives its float results without the
toolchain. Every operation goes through `forward`, so executions can be counted like any module's.
"""
