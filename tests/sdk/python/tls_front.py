"""TLS in front of the relay, as an operator would have it: boto3 sends a bearer credential to nothing else."""

import datetime
import ipaddress
import pathlib
import socket
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LOOPBACK = "127.0.0.1"


def certificate(folder: pathlib.Path) -> pathlib.Path:
    """Writes a certificate for the loopback address, with its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay of a test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    built = built.add_extension(names, critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "front.pem"
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Passes bytes on until the source ends."""
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class TlsFront:
    """Listens until stop(), and passes each connection on to the relay's port."""

    def __init__(self, port: int, folder: pathlib.Path) -> None:
        self.port = port
        self.certificate = certificate(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate)
        self.listener = socket.create_server((LOOPBACK, 0))
        self.url = f"https://{LOOPBACK}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with self.context.wrap_socket(client, server_side=True) as secure:
                with socket.create_connection((LOOPBACK, self.port)) as relay:
                    back = threading.Thread(target=pump, args=(relay, secure), daemon=True)
                    back.start()
                    pump(secure, relay)
                    back.join()
        except OSError:
            pass

    def stop(self) -> None:
        self.listener.close()
