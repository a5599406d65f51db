#!/usr/bin/env python3
"""Prints src/cypher/pow10_table.h: 10^k for k in -348..347 as 128-bit significands, rounded up."""

FIRST, LAST = -348, 347


def significand(k: int) -> int:
    """ceil(10^k / 2^e), with e such that the result has exactly 128 bits."""
    if k >= 0:
        power = 10**k
        shift = power.bit_length() - 128
        return -(-power >> shift) if shift > 0 else power << -shift
    power = 10**-k
    shift = power.bit_length() + 127
    value = -(-(1 << shift) // power)
    return value if value.bit_length() == 128 else -(-(1 << (shift - 1)) // power)


def main() -> None:
    print("/* Made by tools/gen-pow10.py: 10^k = table[k - CYP_POW10_FIRST] * 2^e, rounded up. */")
    print("#ifndef NB_CYPHER_POW10_TABLE_H\n#define NB_CYPHER_POW10_TABLE_H\n")
    print("#include <stdint.h>\n")
    print(f"enum {{ CYP_POW10_FIRST = {FIRST}, CYP_POW10_LAST = {LAST} }};\n")
    print("struct cyp_pow10 {\n    uint64_t hi, lo;\n};\n")
    print(f"static const struct cyp_pow10 cyp_pow10_table[{LAST - FIRST + 1}] = {{")
    for k in range(FIRST, LAST + 1):
        value = significand(k)
        assert value.bit_length() == 128
        print(f"    {{ 0x{value >> 64:016x}, 0x{value & (2**64 - 1):016x} }}, /* {k} */")
    print("};\n\n#endif")


main()
