"""The pass checker: broken bundles, each told with its rule (checklist 1 to 46), and nothing it cannot be fed."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wallets.apple.conftest import DATA, NOW, Chain, key_pem, make_chain, png, rsa_key
from wallet_service.wallets.apple.certificates import (
    PassIdentity,
    Trust,
    apple_trust,
    chain_findings,
    pem_of,
    read_certificate,
)
from wallet_service.wallets.apple.checking.check import check_bundle
from wallet_service.wallets.apple.passes.signing import ManifestSigner

Files = dict[str, bytes]


def zipped(files: Files, prepare: Callable[[zipfile.ZipFile], object] = lambda archive: None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files.items():
            archive.writestr(zipfile.ZipInfo(name), body)
        prepare(archive)
    return out.getvalue()


def signed(files: Files, identity: PassIdentity) -> bytes:
    """The bundle with a manifest and a signature that fit its files."""
    rest = {name: body for name, body in files.items() if name not in ("manifest.json", "signature")}
    manifest = json.dumps({name: hashlib.sha1(body).hexdigest() for name, body in rest.items()}).encode()
    return zipped({**rest, "manifest.json": manifest, "signature": ManifestSigner(identity).sign(manifest, at=NOW)})


def told(data: bytes, chain: Chain, *, trust: Trust | None = None, later: timedelta = timedelta()) -> list[str]:
    findings = check_bundle(data, now=NOW + later, trust=trust or chain.trust)
    return [f"{finding.rule} {finding.severity} {finding}" for finding in findings]


def only(data: bytes, chain: Chain) -> str:
    (finding,) = told(data, chain)
    return finding


def test_our_own_pass_is_good(bundle: bytes, chain: Chain) -> None:
    assert told(bundle, chain) == []


def test_item_01_no_archive_at_all(chain: Chain, bundle: bytes) -> None:
    assert only(b"", chain).startswith("1 error archive: is not a ZIP archive")
    assert only(b"PK\x03\x04 and then nothing", chain).startswith("1 error archive: is not a ZIP")
    assert told(bundle[:-200], chain)[0].startswith("1 error archive")


def test_item_01_a_damaged_file(chain: Chain, bundle: bytes) -> None:
    place = bundle.index(b"formatVersion")
    damaged = bundle[:place] + b"X" + bundle[place + 1 :]
    assert "1 error pass.json: cannot be unpacked" in told(damaged, chain)[0]


def test_item_02_what_is_missing(chain: Chain, files: Files) -> None:
    wrapped = zipped({f"Card.pass/{name}": body for name, body in files.items()})
    assert "2 error pass.json: is at Card.pass/pass.json, not at the root" in "\n".join(told(wrapped, chain))
    plain = {name: body for name, body in files.items() if not name.startswith("icon")}
    assert "2 error icon.png: is missing in every size" in "\n".join(told(zipped(plain), chain))


def test_item_03_and_05_names(chain: Chain, files: Files, identity: PassIdentity) -> None:
    odd = {**files, "../up.png": png(10, 10), "en.lproj/": b"", "été.png": png(10, 10), ".DS_Store": b"x"}
    words = "\n".join(told(zipped(odd), chain))
    assert "3 error ../up.png: is not a plain relative name" in words
    assert "3 warning en.lproj/: is a folder's own entry" in words
    assert "3 warning été.png: is not an ASCII name" in words
    assert "5 warning .DS_Store: does not belong" in words
    assert "6 error manifest.json .DS_Store: is packed and not listed" in words
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(files, lambda archive: archive.writestr("pass.json", b"{}"))
    assert "3 error pass.json: is there 2 times" in "\n".join(told(twice, chain))


def test_item_04_the_frame(chain: Chain, bundle: bytes, files: Files) -> None:
    assert only(b"\n" + bundle, chain).startswith("4 warning archive: something stands before")
    assert only(bundle + b"\n", chain).startswith("4 warning archive: something follows")

    def comment(archive: zipfile.ZipFile) -> None:
        archive.comment = b"a comment"

    assert only(zipped(files, comment), chain).startswith("4 note archive: has a comment")


def test_item_04_headers(chain: Chain, files: Files, tmp_path: Path) -> None:
    class Stream(io.RawIOBase):
        """Cannot seek, as a response that is written while it is made."""

        def __init__(self) -> None:
            self.out = io.BytesIO()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            return self.out.write(data)

    stream = Stream()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    many = len(files)
    assert only(stream.out.getvalue(), chain).startswith(
        f"4 note archive: {many} of {many} files have a data descriptor"
    )

    def extra(field: bytes) -> Callable[[zipfile.ZipFile], None]:
        def add(archive: zipfile.ZipFile) -> None:
            info = zipfile.ZipInfo("pass.json")
            info.extra = field
            archive.writestr(info, files["pass.json"])

        return add

    rest = {name: body for name, body in files.items() if name != "pass.json"}
    whole, cut = struct.pack("<HHI", 0x7075, 4, 1), struct.pack("<HHI", 0x7075, 28519, 1)
    assert only(zipped(rest, extra(whole)), chain).startswith(f"4 note archive: 1 of {many} files have an extra field")
    damaged = zipped(rest, extra(whole)).replace(whole, cut, 1)  # the entry's own header, which comes first
    assert "4 error pass.json: has an extra field that is cut short" in "\n".join(told(damaged, chain))

    def squeezed(archive: zipfile.ZipFile) -> None:
        archive.writestr("pass.json", files["pass.json"], compress_type=zipfile.ZIP_LZMA)

    assert "4 error pass.json: is packed with another method" in "\n".join(told(zipped(rest, squeezed), chain))


def test_item_06_and_07_manifest(chain: Chain, files: Files) -> None:
    manifest = json.loads(files["manifest.json"])
    manifest["icon.png"] = manifest["icon.png"].upper()
    manifest["logo.png"] = "0" * 40
    manifest["gone.png"] = manifest.pop("strip.png")
    words = "\n".join(told(zipped({**files, "manifest.json": json.dumps(manifest).encode()}), chain))
    assert "7 warning manifest.json icon.png: is a SHA-1 in upper case" in words
    assert "7 error manifest.json logo.png: is not the SHA-1 of the packed file" in words
    assert "6 error manifest.json strip.png: is packed and not listed" in words
    assert "6 error manifest.json gone.png: is listed and not packed" in words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a":1,}', "is not strict JSON in UTF-8: "),
        (b'{"a":NaN}', "is not strict JSON in UTF-8: NaN is not JSON"),
        (b'{"a":"\xff"}', "is not strict JSON in UTF-8: "),
        (b"[1]", "is not a JSON object"),
        (b"[" * 100_000, "is not strict JSON in UTF-8: "),
    ],
)
def test_item_08_strict_json(chain: Chain, files: Files, identity: PassIdentity, body: bytes, words: str) -> None:
    assert only(signed({**files, "pass.json": body}, identity), chain).startswith(f"8 error pass.json: {words}")


def test_item_08_what_wallet_reads_all_the_same(chain: Chain, files: Files, identity: PassIdentity) -> None:
    marked = signed({**files, "pass.json": b"\xef\xbb\xbf" + files["pass.json"]}, identity)
    assert only(marked, chain).startswith("8 warning pass.json: begins with a byte order mark")
    twice = signed({**files, "pass.json": files["pass.json"].replace(b"{", b'{"formatVersion":1,', 1)}, identity)
    assert only(twice, chain).startswith("8 warning pass.json: has the key formatVersion twice")


def test_item_10_images(chain: Chain, files: Files, identity: PassIdentity) -> None:
    odd = {**files, "icon.png": b"GIF89a", "logo.png": png(170, 50), "strip@2x.png": png(1200, 300)}
    words = told(signed(odd, identity), chain)
    assert words[0].startswith("10 error icon.png: is not a PNG")
    assert words[1].startswith("10 warning strip@2x.png: is 1200 x 300 pixels")
    assert words[2].startswith("10 note logo.png: is 170 x 50 pixels; at this scale at most 160 x 50")
    assert len(words) == 3


def test_item_11_and_12_languages(chain: Chain, files: Files, identity: PassIdentity) -> None:
    french = '"Points" = "Points";\n/* x */ "Gone" = "a \\" b";'.encode("utf-16")
    odd = {**files, "fr.lproj/pass.strings": french, "en.lproj/pass.strings": b'"Points" = "Points";'}
    odd |= {"fr.lproj/logo.png": files["logo.png"], "French.lproj/pass.strings": '"Points" = "é";'.encode()}
    words = "\n".join(told(signed(odd, identity), chain))
    assert "11 warning fr.lproj/logo.png: is also at the root" in words
    assert "12 warning French.lproj: is not the name of a language folder" in words
    assert "12 warning pass.strings: do not have the same keys" in words
    assert "12 note French.lproj/pass.strings: is UTF-8" in words
    assert "12 note pass.strings: the key 'Gone' does not occur" in words


def openssl_signed(files: Files, chain: Chain, folder: Path, *options: str, intermediate: bytes | None = None) -> Files:
    """Sign with the openssl program, as other issuers do."""
    (folder / "leaf.pem").write_bytes(pem_of(chain.leaf))
    (folder / "leaf.key").write_bytes(key_pem(chain.key))
    (folder / "wwdr.pem").write_bytes(intermediate or pem_of(chain.intermediate))
    (folder / "manifest.json").write_bytes(files["manifest.json"])
    command = ["openssl", "cms", "-sign", "-binary", "-signer", "leaf.pem", "-inkey", "leaf.key"]
    command += [*options, "-in", "manifest.json", "-outform", "DER", "-out", "signature"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return {**files, "signature": (folder / "signature").read_bytes()}


def at_signing(chain: Chain, files: Files, trust: Trust | None = None) -> list[str]:
    """What is told but for time: openssl signs now, and the chain of the tests is valid around its own date."""
    findings = check_bundle(zipped(files), now=NOW, trust=trust or chain.trust)
    return [f"{finding.rule} {finding}" for finding in findings if finding.rule != "19"]


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_other_signers_are_read(chain: Chain, files: Files, tmp_path: Path, digest: str) -> None:
    other = openssl_signed(files, chain, tmp_path, "-md", digest, "-certfile", "wwdr.pem")
    assert at_signing(chain, other) == []


def errors_of(chain: Chain, files: Files) -> list[str]:
    findings = check_bundle(zipped(files), now=NOW, trust=chain.trust)
    return [f"{one.rule} {one}" for one in findings if one.severity == "error" and one.rule != "19"]


def test_item_13_a_signature_in_ber_is_looked_into(chain: Chain, files: Files, tmp_path: Path) -> None:
    streamed = openssl_signed(files, chain, tmp_path, "-md", "sha256", "-certfile", "wwdr.pem", "-stream")
    assert streamed["signature"][1] == 0x80, "of indefinite length"
    assert errors_of(chain, streamed) == []
    assert "13 signature: is in BER; Wallet takes it, other readers want DER (write it in DER)" in at_signing(
        chain, streamed
    )
    changed = {**streamed, "manifest.json": streamed["manifest.json"].replace(b"{", b"{ ", 1)}
    assert [line[:2] for line in errors_of(chain, changed)] == ["13", "14"]


def test_item_13_a_signer_named_by_key_identifier(chain: Chain, files: Files, tmp_path: Path) -> None:
    """`-keyid` needs a subject key identifier in the certificate, which the chain of the tests leaves out."""
    leaf = with_key_identifier(chain)
    named = openssl_signed(files, leaf, tmp_path, "-md", "sha256", "-certfile", "wwdr.pem", "-keyid")
    assert at_signing(leaf, named) == []
    broken = {**named, "signature": named["signature"][:-1] + bytes([named["signature"][-1] ^ 1])}
    assert [line[:2] for line in at_signing(leaf, broken)] == ["15"]


def with_key_identifier(chain: Chain) -> Chain:
    """The chain with another leaf, which carries its key's identifier."""
    old = chain.leaf
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(old.issuer).public_key(old.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(old.not_valid_before_utc).not_valid_after(old.not_valid_after_utc)
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    identifier = x509.SubjectKeyIdentifier.from_public_key(chain.key.public_key())
    leaf = builder.add_extension(identifier, critical=False).sign(rsa_key("intermediate"), hashes.SHA256())
    return replace(chain, leaf=leaf)


def test_item_14_a_digest_that_nobody_has_seen_wallet_take(chain: Chain, files: Files, tmp_path: Path) -> None:
    longer = openssl_signed(files, chain, tmp_path, "-md", "sha512", "-certfile", "wwdr.pem")
    assert errors_of(chain, longer) == []
    assert "14 signature: uses another digest than SHA-1 and SHA-256 (sign with SHA-256)" in at_signing(chain, longer)


def test_item_16_a_certificate_signed_with_sha1_is_told_as_what_it_is(chain: Chain, tmp_path: Path) -> None:
    """As Apple signed them before 2022: the intermediate did sign it, and no new pass may be signed with it."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "wwdr.pem").write_bytes(pem_of(chain.intermediate))
    (tmp_path / "wwdr.key").write_bytes(key_pem(rsa_key("intermediate")))
    (tmp_path / "leaf.key").write_bytes(key_pem(chain.key))
    (tmp_path / "leaf.ext").write_text("authorityKeyIdentifier=keyid")
    openssl("req", "-new", "-key", "leaf.key", "-out", "leaf.csr", "-subj", "/UID=pass.example.old/OU=ABCDE12345")
    signed_by = ("-CA", "wwdr.pem", "-CAkey", "wwdr.key", "-CAcreateserial", "-extfile", "leaf.ext")
    openssl("x509", "-req", "-in", "leaf.csr", *signed_by, "-days", "9", "-sha1", "-out", "leaf.pem")
    old = read_certificate((tmp_path / "leaf.pem").read_bytes())
    at = old.not_valid_before_utc
    for issuing, severity in ((True, "error"), (False, "note")):
        found = chain_findings(old, chain.intermediate, now=at, trust=chain.trust, issuing=issuing)
        told = [(one.severity, one.message) for one in found if one.rule == "16"]
        assert told == [(severity, "is signed with SHA-1, as Apple signed such certificates before 2022")]
    other = bytearray(old.public_bytes(serialization.Encoding.DER))
    other[-1] ^= 1
    (forged,) = [
        one
        for one in chain_findings(
            x509.load_der_x509_certificate(bytes(other)), chain.intermediate, now=at, trust=chain.trust, issuing=False
        )
        if one.rule == "16"
    ]
    assert forged.message == "its signature is not the intermediate's"


def test_item_20_a_pass_from_the_years_of_g1_is_no_error(chain: Chain, files: Files) -> None:
    """Passes that Apple's first intermediate stands under were right when they were signed; none is issued today."""
    g1 = read_certificate((DATA / "apple-ca" / "AppleWWDRCA-G1-expired.pem").read_bytes())
    at = g1.not_valid_before_utc + timedelta(days=1)
    for issuing, severity in ((True, "error"), (False, "warning")):
        found = chain_findings(chain.leaf, g1, now=at, trust=apple_trust(), issuing=issuing)
        assert [one.severity for one in found if one.rule == "20"] == [severity]


def test_item_13_and_14_signatures_of_other_shapes(chain: Chain, files: Files, tmp_path: Path) -> None:
    whole = openssl_signed(files, chain, tmp_path, "-nodetach", "-certfile", "wwdr.pem")
    assert at_signing(chain, whole) == ["13 signature: holds the manifest itself; Apple asks for none (sign detached)"]
    bare = openssl_signed(files, chain, tmp_path, "-noattr", "-certfile", "wwdr.pem")
    assert "14 signature: has no signed attributes, so no signing time" in "\n".join(at_signing(chain, bare))
    assert "13 signature: is not CMS" in "\n".join(at_signing(chain, {**files, "signature": b"\x30\x03\x02\x01\x01"}))
    assert "13 signature: is not CMS" in "\n".join(at_signing(chain, {**files, "signature": files["signature"][:-1]}))


def test_item_14_and_21_a_manifest_whose_line_ends_were_changed(chain: Chain, files: Files) -> None:
    """What a signer without the Binary option makes of a manifest with newlines."""
    manifest = json.dumps(json.loads(files["manifest.json"]), indent=1).encode()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(manifest).add_signer(chain.leaf, chain.key, hashes.SHA256())
    options = [pkcs7.PKCS7Options.DetachedSignature]
    signature = builder.add_certificate(chain.intermediate).sign(serialization.Encoding.DER, options)
    words = at_signing(chain, {**files, "manifest.json": manifest, "signature": signature})
    assert words[0].startswith("14 signature: the digest of manifest.json is another")
    assert words[1].startswith("8 manifest.json: has line breaks")


def test_item_15_another_key(chain: Chain, files: Files, identity: PassIdentity) -> None:
    changed = files["signature"][:-1] + bytes([files["signature"][-1] ^ 1])
    words = at_signing(chain, {**files, "signature": changed})
    assert words == ["15 signature: was not made with the key of its certificate (sign again with this program)"]


def test_item_16_without_or_with_another_intermediate(chain: Chain, files: Files, tmp_path: Path) -> None:
    without = openssl_signed(files, chain, tmp_path)
    assert at_signing(chain, without)[0].startswith("16 signature: does not carry the intermediate")
    g3 = (DATA / "apple-ca" / "AppleWWDRCAG3.pem").read_bytes()
    wrong = openssl_signed(files, chain, tmp_path, "-certfile", "wwdr.pem", intermediate=g3)
    assert "20 signature intermediate: is WWDR G3" in "\n".join(at_signing(chain, wrong, apple_trust()))
    assert "20 signature intermediate: is not WWDR G4" in "\n".join(at_signing(chain, files, apple_trust()))
    assert "16 signature intermediate" in "\n".join(at_signing(chain, wrong))


def test_item_18_another_pass_type(chain: Chain, files: Files) -> None:
    other = make_chain(pass_type_id="pass.example.other", team_id="ZZZZZ99999")
    words = told(signed(files, other.identity()), chain)
    assert words[0].startswith("18 error pass.json passTypeIdentifier: is 'pass.example.maison-lumiere', and the cert")
    assert words[1].startswith("18 error pass.json teamIdentifier")
    assert len(words) == 2


def test_item_19_expired_at_signing_or_since(files: Files, chain: Chain, bundle: bytes) -> None:
    expired = make_chain(ends=NOW - timedelta(days=1))
    assert "19 error signature certificate: expired on 2026-11-20" in "\n".join(
        told(signed(files, expired.identity()), expired)
    )
    (since,) = told(bundle, chain, later=timedelta(days=400))
    assert since.startswith("19 warning signature certificate: expired on")


def test_items_23_to_46_of_a_foreign_pass(chain: Chain, files: Files, identity: PassIdentity) -> None:
    document = json.loads(files["pass.json"])
    document["locations"][0]["latitude"] = "45"
    del document["description"]
    words = told(signed({**files, "pass.json": json.dumps(document).encode()}, identity), chain)
    assert words[0].startswith("23 error pass.json description: is required (add it)")
    assert words[1].startswith("32 error pass.json locations[0].latitude: should be a valid number")
    assert len(words) == 2


def test_our_own_rules_are_advice_for_foreign_passes(chain: Chain, files: Files, identity: PassIdentity) -> None:
    document = json.loads(files["pass.json"]) | {"serialNumber": "a b"}
    words = told(signed({**files, "pass.json": json.dumps(document).encode()}, identity), chain)
    assert [each[:10] for each in words] == ["31 note pa"]


def test_bombs_are_not_unpacked(chain: Chain, files: Files) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(40):
            archive.writestr(f"{number}.png", bytes(2**20))
    assert "holds more than" in only(out.getvalue(), chain)
    assert "holds more than" in only(zipped({f"{number}.txt": b"" for number in range(501)}), chain)


@settings(max_examples=150, deadline=None)
@given(where=st.integers(0, 2**20), patch=st.binary(max_size=40), length=st.integers(0, 40))
def test_damage_is_told_and_never_raises(bundle: bytes, chain: Chain, where: int, patch: bytes, length: int) -> None:
    """Any bytes of a pass changed, cut out or put in: findings come back, not exceptions."""
    place = where % len(bundle)
    check_bundle(bundle[:place] + patch + bundle[place + length :], now=NOW, trust=chain.trust)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["pass.json", "manifest.json", "signature", "icon.png"]),
    where=st.integers(0, 2**16),
    patch=st.binary(max_size=8),
    length=st.integers(0, 8),
)
def test_damaged_small_files_never_raise(
    bundle: bytes, chain: Chain, name: str, where: int, patch: bytes, length: int
) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        files = {file: archive.read(file) for file in archive.namelist()}
    body = files[name]
    place = where % len(body)
    files[name] = body[:place] + patch + body[place + length :]
    check_bundle(zipped(files), now=NOW, trust=chain.trust)


def test_apples_own_intermediate_is_the_shipped_one() -> None:
    assert apple_trust().pinned_intermediate != read_certificate((DATA / "apple-ca" / "AppleWWDRCAG5.pem").read_bytes())
