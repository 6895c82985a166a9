"""Which files of ours a module imports, directly or through others; names that only type checkers read do not count."""

import ast
from pathlib import Path


def closure(module: Path, root: Path) -> set[str]:
    """Relative paths of `module` and everything of ours that importing it would load."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(root).as_posix()
        if name in found:
            continue
        found.add(name)
        package = path.parent / "__init__.py"
        waiting += [package] if package.exists() else []
        waiting += _imported(path, root)
    return found


def _imported(path: Path, root: Path) -> list[Path]:
    found = []
    for node in _runtime(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        candidates = [root / f"{name.replace('.', '/')}.py" for name in names]
        found += [candidate for candidate in candidates if candidate.exists()]
    return found


def _runtime(tree: ast.AST) -> list[ast.AST]:
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        return []
    return [tree, *(node for child in ast.iter_child_nodes(tree) for node in _runtime(child))]
