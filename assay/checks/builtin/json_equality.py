"""Equality of JSON values."""


def equal(left: object, right: object) -> bool:
    """JSON equality: 1 equals 1.0, true does not equal 1, also inside lists and objects."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[name], right[name]) for name in left)
    return left == right
