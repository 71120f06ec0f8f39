"""Key pairs with real keys: what they hold and the API calls that manage them."""

import base64
import hashlib
from xml.sax.saxutils import escape

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from localcloud.addresses import new_id
from localcloud.records import ApiError, Handler, Parameters, Record, Response, matches
from localcloud.seams import Emulator

_RSA_BITS = 2048
_FILTERS = {"fingerprint": "KeyFingerprint", "key-name": "KeyName", "key-pair-id": "KeyPairId"}


def _colons(digest: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in digest)


def _ed25519_fingerprint(key: Ed25519PublicKey) -> str:
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64encode(hashlib.sha256(base64.b64decode(line.split()[1])).digest()).decode()


def imported_fingerprint(material: str) -> str:
    """Return AWS's fingerprint of an imported public key.

    Args:
        material: The key in OpenSSH's format.

    Raises:
        ApiError: It is neither an RSA nor an Ed25519 key.

    """
    try:
        key = serialization.load_ssh_public_key(material.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ApiError(
            "InvalidKey.Format", "Key is not in valid OpenSSH public key format"
        ) from error
    if isinstance(key, Ed25519PublicKey):
        return _ed25519_fingerprint(key)
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _colons(hashlib.md5(encoded, usedforsecurity=False).digest())


def generate(kind: str) -> tuple[str, str, str]:
    """Make a key of the kind rsa or ed25519; return private key, public key and fingerprint.

    Raises:
        ApiError: AWS has no such kind.

    """
    if kind not in ("rsa", "ed25519"):
        raise ApiError("InvalidParameterValue", f"Value ({kind}) for parameter KeyType is invalid.")
    key: RSAPrivateKey | Ed25519PrivateKey
    if kind == "ed25519":
        key = Ed25519PrivateKey.generate()
        shape, fingerprint = PrivateFormat.OpenSSH, _ed25519_fingerprint(key.public_key())
    else:
        key = generate_private_key(65537, _RSA_BITS)
        encoded = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        fingerprint = _colons(hashlib.sha1(encoded, usedforsecurity=False).digest())
        shape = PrivateFormat.TraditionalOpenSSL
    private = key.private_bytes(Encoding.PEM, shape, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return private, public, fingerprint


class KeyPairs:
    """Creates, imports, shows and deletes key pairs."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._ec2 = emulator.ec2

    def handlers(self) -> dict[str, Handler]:
        """Return the API calls that this module answers."""
        return {
            "CreateKeyPair": self._create,
            "DeleteKeyPair": self._delete,
            "DescribeKeyPairs": self._describe,
            "ImportKeyPair": self._import,
        }

    def add(self, name: str, public: str, fingerprint: str) -> Record:
        """Record a key pair.

        Raises:
            ApiError: The name is empty or taken.

        """
        if not name:
            raise ApiError("MissingParameter", "The request must contain the parameter KeyName")
        if name in self._ec2._key_pairs:
            raise ApiError("InvalidKeyPair.Duplicate", f"The keypair '{name}' already exists.")
        pair: Record = {
            "KeyName": name,
            "KeyPairId": new_id("key"),
            "KeyFingerprint": fingerprint,
            "PublicKey": public,
            "KeyType": "ed25519" if public.startswith("ssh-ed25519 ") else "rsa",
            "CreateTime": self._ec2._now_ts(),
        }
        self._ec2._key_pairs[name] = pair
        return pair

    def remove(self, name: str) -> None:
        """Forget a key pair; a missing one is no error, as on AWS."""
        pair = self._ec2._key_pairs.pop(name, None)
        if pair:
            self._ec2._tags.pop(pair["KeyPairId"], None)

    def _create(self, parameters: Parameters) -> Response:
        private, public, fingerprint = generate(self._ec2._p(parameters, "KeyType") or "rsa")
        pair = self.add(self._ec2._p(parameters, "KeyName"), public, fingerprint)
        return self._created("CreateKeyPair", parameters, pair, private)

    def _import(self, parameters: Parameters) -> Response:
        material = self._ec2._p(parameters, "PublicKeyMaterial")
        public = base64.b64decode(material).decode().strip()
        name = self._ec2._p(parameters, "KeyName")
        pair = self.add(name, public, imported_fingerprint(public))
        return self._created("ImportKeyPair", parameters, pair)

    def _created(
        self, action: str, parameters: Parameters, pair: Record, private: str = ""
    ) -> Response:
        self._ec2._parse_tag_specs(parameters, "key-pair", pair["KeyPairId"])
        material = f"<keyMaterial>{private}</keyMaterial>" if private else ""
        return self._emulator.answer(action, self._fields(pair) + material)

    def _fields(self, pair: Record) -> str:
        return (
            f"<keyName>{escape(pair['KeyName'])}</keyName><keyPairId>{pair['KeyPairId']}</keyPairId>"
            f"<keyFingerprint>{pair['KeyFingerprint']}</keyFingerprint>"
            + str(self._ec2._tag_set_xml(pair["KeyPairId"]))
        )

    def _delete(self, parameters: Parameters) -> Response:
        wanted = self._ec2._p(parameters, "KeyPairId")
        named = [
            pair["KeyName"] for pair in self._ec2._key_pairs.values() if pair["KeyPairId"] == wanted
        ]
        for name in named or [self._ec2._p(parameters, "KeyName")]:
            self.remove(name)
        return self._emulator.answer("DeleteKeyPair", "<return>true</return>")

    def _describe(self, parameters: Parameters) -> Response:
        names = self._ec2._parse_member_list(parameters, "KeyName")
        ids = self._ec2._parse_member_list(parameters, "KeyPairId")
        for name in names:
            if name not in self._ec2._key_pairs:
                raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
        filters = self._ec2._parse_filters(parameters)
        with_key = self._ec2._p(parameters, "IncludePublicKey") == "true"
        items = "".join(
            self._item(pair, with_key=with_key)
            for pair in self._ec2._key_pairs.values()
            if (not names or pair["KeyName"] in names)
            and (not ids or pair["KeyPairId"] in ids)
            and self._matches(pair, filters)
        )
        return self._emulator.answer("DescribeKeyPairs", f"<keySet>{items}</keySet>")

    def _matches(self, pair: Record, filters: dict[str, list[str]]) -> bool:
        return matches(pair, filters, _FILTERS) and self._emulator.tagged(
            pair["KeyPairId"], filters
        )

    def _item(self, pair: Record, *, with_key: bool) -> str:
        public = f"<publicKey>{escape(pair['PublicKey'])}</publicKey>" if with_key else ""
        return (
            f"<item>{self._fields(pair)}<keyType>{pair['KeyType']}</keyType>"
            f"<createTime>{pair['CreateTime']}</createTime>{public}</item>"
        )
