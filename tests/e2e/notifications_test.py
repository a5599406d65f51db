#!/usr/bin/env python3
"""Channels against real receivers on loopback: notifications_test.py NOTIFY_ONCE DIRECTORY

aiosmtpd with STARTTLS, TLS from the first byte and authentication, and an HTTPS server; mails are read by Python's own
parser, signatures verified by its hmac. Ends with "N passed, N failed".
"""
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

TOOL, PLACE = sys.argv[1], pathlib.Path(sys.argv[2])
HOSTILE = "a<!channel>&\r\nBcc: victim@example.org\r\n.\r\n.dot ä " + "x" * 200
passed, failed = 0, 0


def check(name, good, seen=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print(f"{'ok  ' if good else 'FAIL'} {name}{'' if good else f': {seen!r}'}")


def certificate(name):
    """A self-signed certificate for 127.0.0.1 and its server context."""
    cert, key = PLACE / f"{name}.crt", PLACE / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


class Mailbox:
    """An SMTP server's handler: what came, and how it was dealt with."""

    def __init__(self):
        self.mails, self.refuse = [], None

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.refuse and address == self.refuse[0]:
            return self.refuse[1]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((session, envelope))
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"robot", b"p@ss word")
    return AuthResult(success=good, handled=False)


class AnyPort(Controller):
    """With a port of the kernel's choice."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def mail_server(box, login, **options):
    server = AnyPort(box, hostname="127.0.0.1", port=0, auth_required=login, authenticator=authenticate, **options)
    server.start()
    return server


class Receiver(http.server.BaseHTTPRequestHandler):
    got, status = [], 200

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.got.append((self.path, dict(self.headers), body))
        self.send_response(Receiver.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


def web_server(tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, server.server_address[1]


def tell(channel, text=HOSTILE):
    done = subprocess.run([TOOL, PLACE / "config.yaml", channel, text], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.strip() + done.stderr.strip()


def write_config(ports):
    secrets = {"slack": f"https://127.0.0.1:{ports['web']}/services/T0/secret-path\n", "hook": f"https://127.0.0.1:{ports['web']}/hook",
               "key": "signing key\n", "user": "robot\n", "password": "p@ss word\n", "wrong": "guess-me-not"}
    for name, value in secrets.items():
        (PLACE / name).write_text(value)
    mail = "from: backup@example.org, to: [a@example.org, b@example.org], caFile: {ca}.crt"
    login = "usernameFile: user, passwordFile: password"
    (PLACE / "config.yaml").write_text(f"""notifications:
  cluster: "prod ü"
  channels:
  - {{name: slack, slack: {{urlFile: slack, caFile: web.crt}}}}
  - {{name: stranger, slack: {{urlFile: slack, caFile: mail.crt}}}}
  - {{name: hook, webhook: {{urlFile: hook, caFile: web.crt, hmacKeyFile: key}}}}
  - {{name: starttls, email: {{server: "127.0.0.1:{ports['starttls']}", {login}, {mail.format(ca='mail')}}}}}
  - {{name: tls, email: {{server: "127.0.0.1:{ports['tls']}", security: TLS, {login}, {mail.format(ca='mail')}}}}}
  - {{name: plain, email: {{server: "127.0.0.1:{ports['plain']}", security: None, from: backup@example.org, to: [a@example.org]}}}}
  - {{name: no-tls, email: {{server: "127.0.0.1:{ports['plain']}", {login}, {mail.format(ca='mail')}}}}}
  - {{name: wrong, email: {{server: "127.0.0.1:{ports['starttls']}", usernameFile: user, passwordFile: wrong, {mail.format(ca='mail')}}}}}
  - {{name: forged, email: {{server: "127.0.0.1:{ports['starttls']}", {login}, {mail.format(ca='web')}}}}}
  - {{name: missing, slack: {{urlFile: nothing-here}}}}
""")


def text_of(envelope):
    mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
    return mail.get_content().replace("\r\n", "\n")


def check_mail(kind, box, tls):
    before = len(box.mails)
    code, said = tell(kind)
    check(f"{kind}: told", code == 0 and len(box.mails) == before + 1, said)
    if len(box.mails) == before:
        return
    session, envelope = box.mails[-1]
    mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
    body = text_of(envelope)
    if kind != "tls":  # there it is below SMTP, whose session knows nothing of it
        check(f"{kind}: TLS", (session.ssl is not None) == tls, session.ssl)
    check(f"{kind}: logged in", bool(session.authenticated) == tls, session.authenticated)
    check(f"{kind}: sender", envelope.mail_from == "backup@example.org", envelope.mail_from)
    check(f"{kind}: recipients", envelope.rcpt_tos == ["a@example.org", "b@example.org"][: 2 if tls else 1], envelope.rcpt_tos)
    check(f"{kind}: subject", mail["Subject"] == "[neo4j-backup] Backup failed: shop/graph (prod ü)", mail["Subject"])
    check(f"{kind}: no header of a name's", mail["Bcc"] is None and not mail.defects, mail.items())
    check(f"{kind}: text", body.startswith("a<!channel>&  Bcc: victim@example.org  .  .dot ä " + "x" * 200 + "\n"), body)
    check(f"{kind}: a date and an id", mail["Date"].datetime and mail["Message-ID"].endswith("@example.org>"), mail["Date"])
    check(f"{kind}: a leading dot", tell(kind, ".dots\n..")[0] == 0 and
          text_of(box.mails[-1][1]).startswith(".dots ..\n"), box.mails[-1][1].original_content)


def check_refusals(box):
    code, said = tell("wrong")
    check("wrong password", code == 1 and said.startswith("Denied SmtpLoginDenied"), said)
    check("the password is not shown", "guess-me-not" not in said, said)
    code, said = tell("forged")
    check("another CA's certificate", code == 1 and said.startswith("Denied TlsVerificationFailed"), said)
    code, said = tell("no-tls")
    check("no STARTTLS", code == 1 and said.startswith("Denied TlsUnavailable"), said)
    box.refuse = ("b@example.org", "550 no such user")
    code, said = tell("starttls")
    check("a recipient is refused for good", code == 1 and said.startswith("Denied SmtpRefused") and "550 no such user" in said, said)
    box.refuse = ("b@example.org", "451 greylisted")
    code, said = tell("starttls")
    check("a recipient is refused for now", code == 1 and said.startswith("Unavailable SmtpNotNow"), said)
    box.refuse = None


def check_web():
    code, said = tell("slack")
    check("slack: told", code == 0, said)
    path, headers, body = Receiver.got[-1]
    text = json.loads(body)["text"]
    check("slack: path", path == "/services/T0/secret-path", path)
    check("slack: no mention", "<" not in text and "&lt;!channel&gt;" in text, text)
    code, said = tell("hook")
    check("webhook: told", code == 0, said)
    path, headers, body = Receiver.got[-1]
    stamp = headers["X-Neo4j-Backup-Timestamp"]
    want = "v1=" + hmac.new(b"signing key", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    check("webhook: signature", headers["X-Neo4j-Backup-Signature"] == want, headers)
    check("webhook: fresh", abs(time.time() - int(stamp)) < 300, stamp)
    check("webhook: id", headers["X-Neo4j-Backup-Id"] == json.loads(body)["id"] == "u-1/Failed-graph-1", headers)
    check("webhook: message", json.loads(body)["message"] == HOSTILE, body)
    Receiver.status = 503
    code, said = tell("slack")
    check("slack: unavailable", code == 1 and said.startswith("Unavailable ReceiverUnavailable"), said)
    Receiver.status = 404
    code, said = tell("slack")
    check("slack: refused, the path is not shown", code == 1 and said.startswith("Denied ReceiverRefused") and "secret-path" not in said, said)
    code, said = tell("stranger")
    check("slack: another CA's certificate", code == 1 and said.startswith("Denied TlsVerificationFailed"), said)
    code, said = tell("missing")
    check("slack: no Secret yet", code == 1 and said.startswith("NotFound"), said)


def main():
    web_tls, mail_tls = certificate("web"), certificate("mail")
    boxes = {name: Mailbox() for name in ("starttls", "tls", "plain")}
    starttls = mail_server(boxes["starttls"], True, tls_context=mail_tls, require_starttls=True)
    tls = mail_server(boxes["tls"], True, ssl_context=mail_tls, auth_require_tls=False)
    plain = mail_server(boxes["plain"], False)
    web, port_web = web_server(web_tls)
    write_config({"web": port_web, "starttls": starttls.port, "tls": tls.port, "plain": plain.port})
    check_mail("starttls", boxes["starttls"], True)
    check_mail("tls", boxes["tls"], True)
    check_mail("plain", boxes["plain"], False)
    check_refusals(boxes["starttls"])
    check_web()
    for server in (starttls, tls, plain):
        server.stop()
    web.shutdown()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
