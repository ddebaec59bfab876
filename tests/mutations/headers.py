"""Mutations of the header: of its table of tensors, and of its text.

Every function yields (name, bytes, allowed outcomes) without end.
"""

import copy
import itertools
import json

from tests.mutations.parts import BRACKETS, DAMAGED, DIGITS, HUGE, ODD


def change_table_numbers(parts, draw):
    """Change shapes and offsets."""
    def one(change):
        def changed(numbers, other):
            at = draw.randrange(len(numbers)) if numbers else 0
            return [*numbers[:at], change((numbers or [1])[at]), *numbers[at + 1 :]]
        return changed

    ways = {
        "one bigger": one(lambda n: n + 1), "one smaller": one(lambda n: n - 1),
        "one negative": one(lambda n: -n - 1), "one huge": one(lambda n: draw.choice(HUGE)),
        "one odd": one(lambda n: draw.choice(ODD)), "one doubled": one(lambda n: 2 * n),
        "all bigger": lambda numbers, other: [n + 4 for n in numbers],
        "reversed": lambda numbers, other: numbers[::-1],
        "with one more": lambda numbers, other: [*numbers, 1],
        "with one fewer": lambda numbers, other: numbers[1:],
        "another's": lambda numbers, other: other,
        "beyond 64 bits": lambda numbers, other: [1 << 32, 1 << 32],
    }
    for field, (name, change) in itertools.cycle(
        itertools.product(("shape", "data_offsets"), ways.items())
    ):
        header = copy.deepcopy(parts.header)
        tensor, other = draw.sample(parts.names, 2)
        header[tensor][field] = change(header[tensor][field], header[other][field])
        yield f"{field} of {tensor}: {name}", parts.with_header(header), DAMAGED


def change_table_entries(parts, draw):
    """Change dtypes and names of tensors, and the metadata."""
    size = len(parts.body)

    def exchanged(header, name):
        """Exchange the bytes of two tensors of the same shape."""
        entry = header[name]
        for other in parts.names:
            if other != name and header[other]["shape"] == entry["shape"]:
                offsets = entry["data_offsets"]
                entry["data_offsets"] = header[other]["data_offsets"]
                header[other]["data_offsets"] = offsets
                break

    ways = [
        *(
            (f"of type {dtype!r}", lambda header, name, dtype=dtype: header[name].update(
                dtype=dtype
            ))
            for dtype in ("F16", "F64", "I32", "U32", "I64", "BF16", "F8_E4M3", "f32", "", 5)
        ),
        *(
            (f"named {new!r}", lambda header, name, new=new: header.update(
                {new: header.pop(name)}
            ))
            for new in ("", "x", "../x", "\n", "__metadata__", "embedding\0", "rnnlm")
        ),
        *(
            (f"beside a tensor at {begin}", lambda header, name, begin=begin, end=end: (
                header.update(x={"dtype": "U8", "shape": [end - begin],
                                 "data_offsets": [begin, end]})
            ))
            for begin, end in ((0, 0), (0, 4), (size, size), (size, size + 8), (1 << 63, 1 << 63))
        ),
        *(
            (f"the metadata {value!r}", lambda header, name, value=value: header.update(
                __metadata__=value
            ))
            for value in (None, [], "", {}, {"rnnlm": None}, {"rnnlm": {}}, {"rnnlm": ""},
                          {"rnnln": parts.text}, {"rnnlm": parts.text, "format": "pt"})
        ),
        ("dropped", lambda header, name: header.pop(name)),
        ("null", lambda header, name: header.update({name: None})),
        ("without its shape", lambda header, name: header[name].pop("shape")),
        ("with one key more", lambda header, name: header[name].update(more=1)),
        ("exchanged", exchanged),
        ("without metadata", lambda header, name: header.pop("__metadata__")),
    ]
    for way, change in itertools.cycle(ways):
        header, tensor = copy.deepcopy(parts.header), draw.choice(parts.names)
        change(header, tensor)
        yield f"{tensor} {way}", parts.with_header(header), DAMAGED


def change_header_text(parts, draw):
    """Change what only text can express: keys that occur twice, spaces, other JSON."""
    head = parts.data[8 : parts.end].rstrip()
    while True:
        tensor = draw.choice(parts.names)
        entry = json.dumps(parts.header[tensor])
        other = json.dumps(parts.header[draw.choice(parts.names)])
        for name, text in (
            ("spread over lines", json.dumps(parts.header, indent=1).encode()),
            ("of spaces", b" " * len(head)), ("before spaces", head + b" " * 4096),
            ("behind spaces", b"  " + head), ("behind a mark", b"\xef\xbb\xbf" + head),
            ("that is not UTF-8", head[:-1] + b',"\xff":0}'), ("twice", head + head),
            ("empty", b""), ("{}", b"{}"), ("[]", b"[]"), ("null", b"null"), ("a number", b"1e999"),
            ("with deep brackets", head[:-1] + f',"x":{BRACKETS}}}'.encode()),
            ("of brackets", BRACKETS.encode()),
            ("with long digits", head.replace(b'"shape":[', f'"shape":[{DIGITS},'.encode(), 1)),
            *((f"with {tensor} {how} twice", head[:-1] + f',"{tensor}":{again}}}'.encode())
              for how, again in (("truly", entry), ("falsely", other))),
            ("with metadata twice", head[:-1] + b',"__metadata__":{"rnnlm":"{}"}}'),
        ):
            yield f"a header {name}", parts.with_head(text), DAMAGED
