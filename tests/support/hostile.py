"""Names that want to be more than names: markup, formulas, SQL, control characters."""

from __future__ import annotations

MARK = "zq7x"
"""Is part of each of them, and of nothing else."""

NAMES: tuple[str, ...] = (
    "<script>window.taken='zq7x'</script>",
    "<img src=zq7x onerror=\"window.taken='zq7x'\">",
    "**zq7x**",
    "# zq7x",
    ":red[zq7x]",
    ":material/zq7x:",
    ":material/home: zq7x",
    "$zq7x$",
    "$$\\frac{zq7x}{2}$$",
    "[zq7x](javascript:window.taken=1)",
    "![zq7x](http://127.0.0.1:9/zq7x.png)",
    "http://127.0.0.1:9/zq7x",
    "`zq7x`",
    "zq7x' OR 1=1 --",
    'zq7x"; DROP TABLE calls; --',
    "zq7x'); DELETE FROM calls; --",
    "$zq7x",
    "$window_start zq7x",
    "zq7x /* ? */ $1 ?",
    "zq7x.feature",
    "datum['zq7x']",
    "{{zq7x}} {zq7x} %(zq7x)s %s",
    "=cmd|' /C zq7x'!A0",
    "+zq7x",
    "-zq7x",
    "@zq7x",
    "\tzq7x",
    "zq7x\r\nzq7x",
    "zq7x\u0000\u001b[31m\u0007",
    "zq7x\u202egnp.exe",
    "zq7x \u0301\u0489 👩‍👩‍👧‍👦 ﷽",
    "../../zq7x",
    "zq7x&user=other#x",
    "zq7x" * 300,
    "null zq7x",
    "",
)
"""The empty name is among them, without the mark."""
