"""A server that sends without end, slowly, or leads elsewhere costs a row or a sentence, and little memory."""

import gzip
import threading
import zlib
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiohttp import ThreadedResolver
from yarl import URL

from pipeline.config.archive import RemoteOptions
from pipeline.config.base import ConfigError
from pipeline.config.survey import Survey as Configuration
from pipeline.config.validation import validate_section
from pipeline.ingest.archive import http, remote
from pipeline.ingest.archive.file import ArchiveFile
from pipeline.ingest.archive.guard import Guard, TooLarge
from pipeline.ingest.archive.retries import Refused, Unreachable
from pipeline.ingest.reject import Rejected

BLOCK = b"x" * (1 << 16)
QUICK = {"tries": 2, "pause": 0.001, "connections": 2, "timeout": 5.0, "max_file": 1 << 20}
QUICK |= {"max_page": 1 << 20}


class Hostile(ThreadingHTTPServer):
    """A server whose answers are functions by path.

    Attributes
    ----------
    answers : dict of str to callable
        What to do with a request.
    sent : int
        Bytes of content that were sent.
    asked : list of str
        Paths of all requests.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.sent, self.asked = {}, 0, []
        self.over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path, lambda request: request.head(404))
        with suppress(OSError):  # the other side has had enough
            answer(self)
        self.close_connection = True

    def head(self, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def give(self, content):
        self.wfile.write(content)
        self.server.sent += len(content)

    def endless(self, block=BLOCK, pause=0.0):
        if self.command == "GET":
            while not self.server.over.wait(pause):
                self.give(block)


def page(content=b"", **headers):
    """An answer that is a page."""

    def answer(request):
        request.head(Content_Type="text/html", **headers)
        request.give(content if request.command == "GET" else b"")

    return answer


def redirect(to, status=302):
    """An answer that leads elsewhere."""
    return lambda request: request.head(status, Location=to)


@pytest.fixture
def quiet(monkeypatch):
    """No settings of the user."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    monkeypatch.setenv("NETRC", "/dev/null")


def serving():
    server = Hostile()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(quiet):
    yield from serving()


@pytest.fixture
def other(quiet):
    yield from serving()


@pytest.fixture
def ask(server, tmp_path):
    """Return the archive at a path of the server."""

    def archive(path="/data", **options):
        return remote.RemoteArchive(
            server.url + path, RemoteOptions(**QUICK | options), tmp_path / "copies"
        )

    return archive


def endless_page(request):
    request.head(Content_Type="text/html")
    request.endless(b'<a href="x.fits">x</a>' * 1000)


def bomb(request):
    packed = zlib.compressobj(9, wbits=31)
    content = b"".join([packed.compress(b"<a " * 10**6) for _ in range(20)] + [packed.flush()])
    request.head(Content_Type="text/html", Content_Encoding="gzip")
    request.give(content)


@pytest.mark.parametrize("answer", [endless_page, bomb])
def test_a_page_without_end_is_refused(answer, server, ask):
    server.answers["/data/"] = answer
    with pytest.raises(Rejected, match=r"/data/: the page has more than 1048576 bytes: raise"):
        ask().list_files()
    assert server.sent < 64 << 20  # what the system keeps of a connection


def test_a_page_may_be_compressed_or_damaged(server, ask):
    text = b'<a href="x.fits">x</a>'
    server.answers["/data/x.fits"] = lambda request: request.head(Content_Length="5")
    for encoding, content in (("gzip", gzip.compress(text)), ("deflate", zlib.compress(text))):
        server.answers["/data/"] = page(content, Content_Encoding=encoding)
        assert [one.file for one in ask().list_files()] == ["x.fits"]
    server.answers["/data/"] = page(text, Content_Encoding="gzip")
    with pytest.raises(Rejected, match="compressed, and damaged"):
        ask().list_files()
    server.answers["/data/"] = page(text, Content_Encoding="br")
    with pytest.raises(Rejected, match="'br'"):
        ask().list_files()


def test_pages_without_end_are_an_archive_that_is_too_large(server, ask):
    class Everywhere(dict):
        def get(self, path, default=None):
            links = "".join(f'<a href="{number}/">x</a>' for number in range(20))
            return page(links.encode())

    server.answers = Everywhere()
    with pytest.raises(Rejected, match="more than 1000 files and folders: raise"):
        ask(max_entries=1000).list_files()


def endless_file(request):
    request.head(Content_Type="application/fits")
    request.endless()


def more_than_it_says(request):
    if request.command == "HEAD":
        request.head(Content_Length="10")
    else:
        endless_file(request)


@pytest.mark.parametrize(("answer", "limit"), [(endless_file, 1 << 20), (more_than_it_says, 10)])
def test_a_file_without_end_costs_its_row_and_no_space(answer, limit, server, ask, tmp_path):
    server.answers["/data/"] = page(b'<a href="x.fits">x</a>')
    server.answers["/data/x.fits"] = answer
    (listed,) = ask().list_files()
    with pytest.raises(Rejected, match=rf"/data/x\.fits: it gives more than {limit} bytes"):
        ask().fetch(listed)
    with pytest.raises(Rejected, match="it gives more than"), ask().open(listed):
        pass
    assert server.sent < 64 << 20
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) == 0


def test_a_file_that_is_too_large_is_not_asked_for(server, ask):
    listed = ArchiveFile("x.fits", size=2 << 20, version="v")
    with pytest.raises(Rejected, match=r"2097152 bytes, more than 1048576: raise remote\.max_file"):
        ask().fetch(listed)
    assert server.asked == []


def test_a_part_without_end_is_not_taken(server, ask):
    def answer(request):
        request.head(206, Content_Range="bytes 0-9/100")
        request.endless()

    server.answers["/data/x.fits"] = answer
    with pytest.raises(Unreachable, match="the connection fails"):
        ask().read(ArchiveFile("x.fits", size=100, version="v"), 0, 10)
    assert server.sent < 64 << 20


def test_a_file_stays_as_it_is_on_the_server_whatever_its_headers_say(server, ask):
    content = gzip.compress(b"content" * 1000)
    server.answers["/data/x.gz"] = lambda request: (
        request.head(Content_Encoding="gzip"),
        request.give(content),
    )
    path = ask().fetch(ArchiveFile("x.gz", version="v"))
    assert path.read_bytes() == content


def slow_body(request):
    request.head(Content_Type="text/html")
    request.endless(b"x", pause=0.01)


def slow_head(request):
    request.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    request.endless(b"x", pause=0.01)


@pytest.mark.parametrize(
    ("answer", "message"),
    [(slow_body, r"fewer than 1e\+06 bytes a second"), (slow_head, "does not answer in time")],
)
def test_a_server_that_gives_a_byte_now_and_then_is_given_up(answer, message, server, ask):
    server.answers["/data/"] = answer
    with pytest.raises(ConnectionError, match=f"{message}.*, 2 times: run again later"):
        ask(timeout=0.2, min_rate=1e6).list_files()


def endless_head(request):
    request.wfile.write(b"HTTP/1.0 200 OK\r\n")
    request.endless(b"X-Endless: " + b"x" * 1000 + b"\r\n")


def one_endless_line(request):
    request.wfile.write(b"HTTP/1.0 200 OK\r\nX-Endless: ")
    request.endless()


@pytest.mark.parametrize("answer", [endless_head, one_endless_line])
def test_headers_without_end_are_given_up(answer, server, ask):
    server.answers["/data/"] = answer
    with pytest.raises((ConnectionError, Rejected)):
        ask().list_files()
    assert server.sent < 64 << 20


def test_a_redirect_stays_on_the_server_unless_it_is_named(server, other, ask):
    place = f"127.0.0.1:{other.server_port}"
    server.answers["/data/"] = redirect("/moved/")
    server.answers["/moved/"] = page(b'<a href="x.fits">x</a><a href="y.fits">y</a>')
    server.answers["/data/x.fits"] = redirect(f"{other.url}/x.fits?token=secret#part")
    server.answers["/data/y.fits"] = lambda request: request.head(Content_Length="5")
    other.answers["/x.fits?token=secret"] = lambda request: request.head(Content_Length="7")
    found, other_file = ask().list_files()
    assert other_file.size == 5
    assert found.problem == (
        f"{server.url}/data/x.fits: the server redirects to {other.url}/x.fits, which is another "
        "server: if it belongs to the archive, add '127.0.0.1' to remote.allow_redirects_to"
    )
    assert other.asked == []
    found, _ = ask(allow_redirects_to=[place]).list_files()
    assert found.size == 7
    with pytest.raises(Rejected, match="another server"):
        ask().fetch(ArchiveFile("x.fits", size=7, version="v"))
    with pytest.raises(Rejected, match="another server"):
        ask().fetch(ArchiveFile("x.fits", version="v"))


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://localhost:1/",
        "http://2130706433/",
        "https://10.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("header", ["Location", "URI"])
def test_a_redirect_into_the_network_is_not_followed(to, header, server, ask):
    server.answers["/data/"] = lambda request: request.head(302, **{header: to})
    with pytest.raises(Rejected, match=r"redirects to .*: if it belongs to the archive"):
        ask().list_files()


def test_a_redirect_to_no_address_and_one_without_end_are_said(server, ask):
    server.answers["/data/"] = redirect("http://[::1")
    with pytest.raises(Rejected, match="redirects to what is no address"):
        ask().list_files()
    server.answers["/data/"] = redirect("/data/")
    with pytest.raises(Rejected, match=r"redirects more than 2 times \(remote\.max_redirects\)"):
        ask(max_redirects=2).list_files()
    assert len(server.asked) == 1 + 3


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("http://a.org/x", "https://a.org/y", True),
        ("https://a.org/x", "http://a.org/y", False),
        ("http://a.org:8080/x", "https://a.org/y", False),
        ("https://a.org/x", "https://a.org:8443/x", False),
        ("https://a.org/x", "https://www.a.org/x", False),
        ("https://a.org/x", "https://mirror.org/x", True),
        ("https://a.org/x", "https://MIRROR.org:99/x", True),
        ("https://a.org/x", "https://port.org:99/x", True),
        ("https://a.org/x", "https://port.org/x", False),
        ("https://a.org/x", "https://a.org@mirror.com/x", False),
        ("https://s3.amazonaws.com/x", "https://s3.eu-west-1.amazonaws.com/x", False),
    ],
)
def test_where_a_redirect_may_lead(source, target, expected):
    options = RemoteOptions(allow_redirects_to=["mirror.org", "port.org:99"])
    assert Guard(["a.org"], options).may_lead(URL(source), URL(target)) == expected


def test_amazon_redirects_between_its_regions():
    guard = Guard([], RemoteOptions())
    source = URL("https://bucket.s3.amazonaws.com/x")
    for host, expected in (
        ("bucket.s3.eu-west-1.amazonaws.com", True),
        ("s3-eu-west-1.amazonaws.com", True),
        ("ec2-1-2-3-4.compute.amazonaws.com", False),
        ("s3.amazonaws.com.evil.org", False),
        ("169.254.169.254", False),
    ):
        assert guard.may_lead(source, URL(f"https://{host}/x")) == expected


@pytest.mark.parametrize(
    ("host", "address", "expected"),
    [
        ("a.org", "93.184.216.34", True),
        ("a.org", "10.0.0.1", True),  # an archive of the intranet
        ("a.org", "fd00::1", True),
        ("a.org", "127.0.0.1", False),
        ("a.org", "::1", False),
        ("a.org", "0.0.0.0", False),
        ("a.org", "169.254.169.254", False),
        ("a.org", "fe80::1%eth0", False),
        ("a.org", "::ffff:127.0.0.1", False),
        ("a.org", "64:ff9b::7f00:1", False),
        ("a.org", "2002:7f00:1::", False),
        ("a.org", "224.0.0.1", False),
        ("localhost", "127.0.0.1", True),
        ("mirror.org", "10.0.0.1", True),
        ("elsewhere.org", "93.184.216.34", True),
        ("elsewhere.org", "10.0.0.1", False),
        ("elsewhere.org", "100.64.0.1", False),
    ],
)
def test_at_which_addresses_a_server_may_be(host, address, expected):
    options = RemoteOptions(allow_redirects_to=["mirror.org"])
    assert Guard(["a.org", "localhost"], options).may_connect(host, address) == expected


def test_a_name_whose_address_moves_into_the_network_is_not_followed():
    guard = Guard(["a.org"], RemoteOptions())
    assert guard.may_connect("a.org", "93.184.216.34")
    assert not guard.may_connect("a.org", "10.0.0.1")
    assert guard.may_connect("a.org", "93.184.216.35")


def test_a_proxy_may_be_inside(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.inside:3128")
    guard = Guard(["a.org"], RemoteOptions())
    assert guard.may_connect("proxy.inside", "10.0.0.1")


def test_the_address_that_is_checked_is_the_one_that_is_connected_to(
    server, other, ask, monkeypatch
):
    """The first name is public; when it is asked for again, it is that of a machine inside."""
    server.answers["/data/"] = redirect(f"http://inner.org:{other.server_port}/")
    asked = []

    async def resolve(self, host, port=0, family=0):
        asked.append(host)
        return [
            {"hostname": host, "host": "127.0.0.1", "port": port}
            | {"family": 2, "proto": 6, "flags": 0}
        ]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    with pytest.raises(Rejected, match=r"inner\.org is at 127\.0\.0\.1, an address inside"):
        ask(allow_redirects_to=["inner.org"]).list_files()
    assert asked == ["inner.org"]
    assert other.asked == []


def test_links_are_found_in_a_time_that_the_length_of_a_page_bounds():
    assert list(http.links('<p><A class="x" href=\'a\'>b</A><b href="no"><a x>href="no"')) == ["a"]
    assert list(http.links("<a" + " " * 10**6 + "<a " * 10**6)) == []
    assert list(http.links("<a " + "x " * 10**6)) == []


def test_what_is_unpacked_has_a_limit():
    packed = zlib.compress(b"x" * 10**6)
    assert len(http.unpacked(packed, "deflate", 10**6)) == 10**6
    with pytest.raises(TooLarge):
        http.unpacked(packed, "deflate", 10**6 - 1)
    assert http.unpacked(packed, "identity", 1) == packed
    with pytest.raises(Refused):
        http.unpacked(packed, "zstd", 10**6)


@pytest.mark.parametrize("host", ["http://a.org", "a.org/x", "user@a.org", "", "a.org?x"])
def test_a_server_to_redirect_to_is_a_host(host):
    with pytest.raises(ConfigError, match="must be host or host:port"):
        validate_section({"archive": "x", "remote": {"allow_redirects_to": [host]}}, Configuration)


LIST = """<ListBucketResult><IsTruncated>{more}</IsTruncated><NextContinuationToken>t</NextContinuationToken>
<Contents><Key>data/x</Key><Size>5</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>
<ETag>"e"</ETag></Contents></ListBucketResult>"""


@pytest.fixture
def bucket_of(server, tmp_path, monkeypatch):
    """Return the archive of a bucket on the hostile server, which gives one answer to each request."""
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def archive(answer, **options):
        class Always(dict):
            def get(self, path, default=None):
                return answer

        server.answers = Always()
        given = RemoteOptions(**QUICK | {"endpoint": server.url} | options)
        return remote.RemoteArchive("s3://bucket/data", given, tmp_path / "copies")

    return archive


def test_a_bucket_has_the_same_bounds(bucket_of, server):
    listed = bucket_of(page(LIST.format(more="false").encode())).list_files()
    assert [one.file for one in listed] == ["x"]
    with pytest.raises(Rejected, match="more than 20 files and folders"):
        bucket_of(page(LIST.format(more="true").encode()), max_entries=20).list_files()
    with pytest.raises(Rejected, match="the list has more than 1048576 bytes"):
        bucket_of(endless_page).list_files()
    with pytest.raises(ConnectionError):
        bucket_of(slow_body, timeout=0.2, min_rate=1e6, tries=1).list_files()
    with pytest.raises(ConnectionError, match="does not answer in time"):
        bucket_of(slow_head, timeout=0.2, tries=1).list_files()
    assert server.sent < 64 << 20


def test_a_bucket_redirects_nowhere_else(bucket_of, server, other):
    archive = bucket_of(redirect(f"{other.url}/x", 307))
    with pytest.raises(Rejected, match="which is another server"):
        archive.list_files()
    with pytest.raises(Rejected, match="which is another server"):
        archive.read(ArchiveFile("x", 5, version="e"), 0, 5)
    assert other.asked == []


def test_a_part_of_an_object_has_an_end(bucket_of, server):
    def answer(request):
        request.head(206, Content_Range="bytes 0-4/5")
        request.endless()

    with pytest.raises(Unreachable):
        bucket_of(answer, tries=1).read(ArchiveFile("x", 5, version="e"), 0, 5)
    assert server.sent < 64 << 20
