"""Small secrets in files that only their owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE
from tempfile import NamedTemporaryFile

_PEPPER_BYTES = 32


def read_secret(path: Path) -> str | None:
    """The content, stripped; None if there is no file. Raises PermissionError if others may read it."""
    try:
        with path.open(encoding="utf-8") as file:
            if S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise PermissionError(f"{path.name} must not be accessible to others (chmod 600)")
            return file.read().strip()
    except FileNotFoundError:
        return None


def write_secret(path: Path, content: str, *, replace: bool = True) -> bool:
    """Puts a whole file in place at once, mode 0600. False if it was there and `replace` is not set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
            if replace:
                os.replace(file.name, path)
                return True
            with suppress(FileExistsError):
                os.link(file.name, path)
                return True
            return False
        finally:
            with suppress(FileNotFoundError):
                os.unlink(file.name)


def ensure_pepper(path: Path) -> bytes:
    """The pepper in `path`, made on first use; everybody who asks at the same time gets the same one."""
    content = read_secret(path)
    if content is None:
        write_secret(path, secrets.token_hex(_PEPPER_BYTES), replace=False)
    return load_pepper(path)


def load_pepper(path: Path) -> bytes:
    """Raises ValueError if `path` holds no pepper, PermissionError if others may read it."""
    try:
        pepper = bytes.fromhex(read_secret(path) or "")
    except ValueError:
        pepper = b""
    if len(pepper) < _PEPPER_BYTES:
        raise ValueError(f"{path.name} holds no pepper of {_PEPPER_BYTES} bytes in hexadecimal")
    return pepper
