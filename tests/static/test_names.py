"""Names that are computed: f-strings, `%`, `format`, `setattr`, `getattr`, `add_module`, `_modules`."""

from __future__ import annotations

import pytest

from tests.static.sources import check_counts, executed, findings, model, said, trace_of

SET = [
    'setattr(self, f"b{i}", nn.ReLU())',
    'setattr(self, "b%d" % i, nn.ReLU())',
    'setattr(self, "b%s" % (i,), nn.ReLU())',
    'setattr(self, "b{}".format(i), nn.ReLU())',
    'setattr(self, "b" + str(i), nn.ReLU())',
    'self.add_module(f"b{i}", nn.ReLU())',
    'self.add_module(name="b%d" % i, module=nn.ReLU())',
    'self.register_module("b%i" % i, nn.ReLU())',
    'self._modules[f"b{i}"] = nn.ReLU()',
]
GET = [
    'getattr(self, f"b{i}")',
    'getattr(self, "b%d" % i)',
    'getattr(self, "b{}".format(i))',
    'getattr(self, "b" + str(i))',
    'self._modules["b%d" % i]',
    'self.get_submodule(f"b{i}")',
    'self.__getattr__(f"b{i}")',
]


@pytest.mark.parametrize("make", SET[:8])
def test_names_made_in_a_short_loop_are_attributes(make: str) -> None:
    text = model(f"for i in range(3):\n    {make}", "return self.b2(self.b0(self.b0(x)))")
    check_counts(text, {"b0": "2", "b1": "0", "b2": "1"})


@pytest.mark.parametrize("make", SET[:8])
@pytest.mark.parametrize("get", GET[:5])
def test_names_read_in_a_loop_are_one_each(make: str, get: str) -> None:
    for count in (3, 20):
        text = model(f"for i in range({count}):\n    {make}", f"for i in range({count}):\n    x = {get}(x)")
        assert executed(trace_of(text)), count
        assert not findings(text)


@pytest.mark.parametrize("make", SET[:8])
def test_a_name_of_a_long_loop_called_on_its_own_as_well(make: str) -> None:
    text = model(
        f"for i in range(20):\n    {make}",
        'for i in range(20):\n    x = getattr(self, f"b{i}")(x)\nreturn self.b1(x)',
    )
    check_counts(text, {"b*": "2"})


def test_two_families_of_names_are_told_apart() -> None:
    init = (
        'for i in range(20):\n    setattr(self, f"a{i}", nn.ReLU())\n    setattr(self, f"b{i}_x", nn.ReLU())'
    )
    forward = 'for i in range(20):\n    x = getattr(self, f"a{i}")(getattr(self, f"b{i}_x")(x))'
    check_counts(model(init, forward), {"a*": "1", "b*_x": "1"})


def test_numbered_attributes_from_one() -> None:
    init = "self.b1 = nn.ReLU()\nself.b2 = nn.ReLU()"
    forward = 'for i in range(1, 3):\n    x = getattr(self, f"b{i}")(x)\nreturn x'
    check_counts(model(init, forward), {"b1": "1", "b2": "1"})


def test_a_list_of_names_reads_each_once() -> None:
    init = """
    self.names = []
    for i in range(20):
        name = f"b{i}"
        self.add_module(name, nn.ReLU())
        self.names.append(name)
    """
    text = model(init, "for name in self.names:\n    x = getattr(self, name)(x)")
    check_counts(text, {"b*": "1"})


def test_a_known_tuple_of_names() -> None:
    text = model(
        "self.a = nn.ReLU()\nself.b = nn.ReLU()", 'for n in ("a", "b", "a"):\n    x = getattr(self, n)(x)'
    )
    check_counts(text, {"a": "2", "b": "1"})


def test_an_attribute_whose_name_a_constant_holds() -> None:
    text = model("self.a = nn.ReLU()", "return getattr(self, NAME)(x)", before='NAME = "a"')
    check_counts(text, {"a": "1"})


def test_a_name_chosen_by_a_flag() -> None:
    init = "self.a = nn.ReLU()\nself.b = nn.ReLU()"
    check_counts(
        model(init, 'x = getattr(self, "a" if flag else "b")(x)\nreturn self.a(x)'), {"a": "1-2", "b": "0-1"}
    )


def test_a_name_that_is_an_argument_means_any_attribute() -> None:
    text = model("self.a = nn.ReLU()", "return getattr(self, flag)(x)")
    assert not trace_of(text).complete
    assert not findings(text, "QAT103")


def test_a_name_that_is_set_and_read_by_the_same_parameter() -> None:
    text = model(
        "self.key = key\nsetattr(self, key, nn.ReLU())",
        "return getattr(self, self.key)(x)",
        parameters="key",
    )
    assert not findings(text)


def test_getattr_with_a_default() -> None:
    text = model(
        "self.a = nn.ReLU()",
        "m = getattr(self, 'a', None)\nn = getattr(self, 'no', None)\nreturn m(x) if n is None else x",
    )
    check_counts(text, {"a": "1"})


def test_a_chosen_name_is_set_on_each_path() -> None:
    text = model("setattr(self, 'a' if f else 'b', nn.ReLU())", "return self.a(self.b(x))", parameters="f")
    assert executed(trace_of(text)) >= {"a"}


@pytest.mark.parametrize("index", ["i", "f'{i}'", "str(i)"])
def test_a_module_dict_by_computed_keys(index: str) -> None:
    init = "self.d = nn.ModuleDict()\nfor i in range(20):\n    self.d[str(i)] = nn.ReLU()"
    text = model(init, f"for i in range(20):\n    x = self.d[{index}](x)")
    assert not [f for f in findings(text) if f.subject.startswith("d.")]


@pytest.mark.parametrize(
    "loop", ["k, m in self.d.items()", "m in self.d.values()", "k in self.d", "k in self.d.keys()"]
)
def test_a_loop_over_a_module_dict(loop: str) -> None:
    init = "self.d = nn.ModuleDict({k: nn.ReLU() for k in ('a', 'b')})"
    called = "m" if "m in" in loop else "self.d[k]"
    text = model(init, f"for {loop}:\n    x = {called}(x)")
    check_counts(text, {"d.a": "1", "d.b": "1"})
    assert not said(findings(text))


@pytest.mark.parametrize("loop", ["k, m in self.d.items()", "m in self.d.values()", "k in self.d.keys()"])
def test_a_loop_over_a_module_dict_with_computed_keys(loop: str) -> None:
    init = "self.d = nn.ModuleDict()\nfor k in keys:\n    self.d[k] = nn.ReLU()"
    called = "m" if "m in" in loop else "self.d[k]"
    text = model(init, f"for {loop}:\n    x = {called}(x)", parameters="keys")
    trace = trace_of(text)
    assert executed(trace)
    assert not said(findings(text))
