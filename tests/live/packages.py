"""What each real server is made of, and whether it is here: one table for the installer and for the tests' skips."""

from __future__ import annotations

from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-live"
"""Servers from package indexes live here, apart from kbm's own dependencies."""
_VENV = escape(str(VENV))
S3RVER = VENV / "s3rver/node_modules/s3rver/bin/s3rver.js"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server: it is here when each pattern of ``files`` finds a file."""

    files: tuple[str, ...]
    debian: tuple[str, ...] = ()
    python: tuple[str, ...] = ()  # requirements, for VENV
    npm: tuple[str, ...] = ()
    units: tuple[str, ...] = ()  # what its packages would have the machine start at its next boot


SERVERS = {
    "mediawiki": Server(
        debian=("mediawiki", "php-cli", "php-sqlite3", "php-xml", "php-mbstring", "php-intl"),
        files=(
            "/usr/bin/php",
            "/usr/share/mediawiki/api.php",
            "/usr/share/mediawiki/maintenance/install.php",
            *(f"/usr/lib/php/*/{name}.so" for name in ("pdo_sqlite", "dom", "mbstring", "intl")),
        ),
        units=("apache2",),
    ),
    "dokuwiki": Server(
        debian=("dokuwiki", "php-cli", "php-xml"),
        files=(
            *("/usr/bin/php", "/usr/share/dokuwiki/doku.php", "/etc/dokuwiki", "/var/lib/dokuwiki/data"),
            "/usr/lib/php/*/dom.so",
        ),
        units=("apache2",),
    ),
    "samba": Server(
        debian=("samba", "samba-vfs-modules"),
        files=("/usr/sbin/smbd", "/usr/bin/smbpasswd", "/usr/lib/*/samba/vfs/acl_xattr.so"),
        units=("smbd", "nmbd", "samba-ad-dc"),
    ),
    "openssh": Server(
        debian=("openssh-server",), files=("/usr/sbin/sshd", "/usr/bin/ssh-keygen"), units=("ssh",)
    ),
    "dovecot": Server(
        debian=("dovecot-imapd",),
        files=("/usr/sbin/dovecot", "/usr/lib/dovecot/imap", "/usr/bin/openssl"),
        units=("dovecot",),
    ),
    "apache": Server(
        debian=("apache2-bin", "media-types"),
        files=("/usr/sbin/apache2", "/usr/lib/apache2/modules/mod_dav_fs.so", "/etc/mime.types"),
    ),
    "postgresql": Server(
        debian=("postgresql",),
        files=("/usr/lib/postgresql/*/bin/initdb", "/usr/lib/postgresql/*/bin/postgres"),
        units=("postgresql",),
    ),
    "libreoffice": Server(
        debian=("libreoffice-writer-nogui", "libreoffice-calc-nogui", "libreoffice-impress-nogui"),
        files=(
            "/usr/bin/soffice",
            *(f"/usr/lib/libreoffice/program/lib{name}lo.so" for name in ("sw", "sc", "sd")),
        ),
    ),
    "tesseract": Server(
        debian=("tesseract-ocr", "tesseract-ocr-deu", "tesseract-ocr-fra", "tesseract-ocr-eng"),
        files=(
            "/usr/bin/tesseract",
            *(f"/usr/share/tesseract-ocr/*/tessdata/{name}.traineddata" for name in ("deu", "fra", "eng")),
        ),
    ),
    "wsgidav": Server(python=("wsgidav<5", "cheroot<12"), files=(f"{_VENV}/bin/wsgidav",)),
    "tryton": Server(
        python=(
            *("trytond<8.1", "trytond_party<8.1", "trytond_product<8.1", "trytond_company<8.1"),
            "proteus<8.1",
        ),
        files=(
            f"{_VENV}/bin/trytond-admin",
            *(f"{_VENV}/lib/python*/site-packages/{name}" for name in ("proteus", "trytond/modules/company")),
            f"{_VENV}/lib/python*/site-packages/trytond/modules/product",
        ),
    ),
    "s3rver": Server(npm=("s3rver@3",), files=(escape(str(S3RVER)),)),
}


def missing(name: str) -> tuple[str, ...]:
    """Give the files of a server that are not here."""
    return tuple(pattern for pattern in SERVERS[name].files if not glob(pattern))
