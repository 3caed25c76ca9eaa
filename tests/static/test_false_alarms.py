"""Shapes of real code that were once reported although nothing in them is shared."""

from __future__ import annotations

import pytest

from tests.static.sources import findings

SILENT = {
    "deep copy of a list of unknown length": """
        class Head(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.a = nn.ModuleList([nn.Linear(4, 4) for _ in range(n)])
                self.b = copy.deepcopy(self.a)

            def forward(self, x):
                for one, other in zip(self.a, self.b):
                    x = other(one(x))
                return x
        """,
    "one of two appends per turn": """
        class Levels(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.levels = nn.ModuleList()
                for i in range(n):
                    level = nn.Conv2d(8, 8, 3)
                    if i == 0:
                        self.levels.append(level)
                        continue
                    self.levels.append(level)

            def forward(self, xs):
                return [level(x) for level, x in zip(self.levels, xs)]
        """,
    "one name, two constructors": """
        class Stem(nn.Module):
            def __init__(self, first):
                super().__init__()
                self.seq = nn.Sequential()
                if first:
                    self.seq.add_module("conv", nn.Conv2d(4, 8, 3))
                else:
                    self.seq.add_module("conv", nn.Conv2d(8, 8, 3))

            def forward(self, x):
                return self.seq(x)
        """,
    "all turns but the last of two": """
        class Mlp(nn.Module):
            def __init__(self, n=2):
                super().__init__()
                self.n = n
                self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(n)])
                self.act = nn.ReLU()

            def forward(self, x):
                for i, layer in enumerate(self.layers):
                    x = layer(x)
                    if i < self.n - 1:
                        x = self.act(x)
                return x
        """,
    "a loop that ends in its first turn": """
        class First(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(8, 8, 3)

            def forward(self, xs):
                for x in xs:
                    return self.conv(x)
        """,
    "even and odd entries": """
        class Pairs(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(2 * n)])

            def forward(self, x):
                for one, other in zip(self.layers[::2], self.layers[1::2]):
                    x = other(one(x))
                return x
        """,
    "two names of a path": """
        class Model(nn.Module):
            def __init__(self, path):
                super().__init__()
                self.path = path
                self.name = path
                self.conv = nn.Conv2d(8, 8, 3)

            def forward(self, x):
                return self.conv(x)
        """,
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_nothing_is_shared(text: str) -> None:
    assert findings(text, "QAT101", "QAT102") == []


def test_a_base_is_reported_in_the_words_of_the_class_that_shares() -> None:
    (finding,) = findings(
        """
        class Pyramid(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(8, 8, 3)

            def forward(self, x):
                return self.conv(x)

        class Recursive(Pyramid):
            def forward(self, x):
                for _ in range(3):
                    x = super().forward(x)
                return x
        """,
        "QAT101",
    )
    assert "Recursive" in finding.message or finding.owner.endswith("Recursive")
