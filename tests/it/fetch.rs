//! Fetching data sets from a server that redirects, breaks off, has other files, and onto a disk that is full.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use sdc::data::fetch::{Archive, Fetched};
use sdc::diag::{Failure, codes};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    path: String,
    /// From which byte on.
    from: Option<usize>,
}

/// A server on this machine that answers request after request as a function says, in raw bytes, and closes each
/// connection behind its answer.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start(answer: impl Fn(usize, &Asked) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = format!("http://{}/sets", listener.local_addr().expect("it has an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let request = request(&mut stream);
                let number = log.lock().expect("no panic").len();
                log.lock().expect("no panic").push(request.clone());
                // A client that has had enough is no failure of the server.
                let _ = stream.write_all(&answer(number, &request));
            }
        });
        Server { address, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn request(stream: &mut TcpStream) -> Asked {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole request");
        text.push(byte[0]);
    }
    let text = String::from_utf8(text).expect("text").to_ascii_lowercase();
    let path = text.split(' ').nth(1).expect("a path").to_owned();
    let range = text.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-'));
    Asked { path, from: range.map(|from| from.parse().expect("a number")) }
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

/// The bytes from some place on; `sent` of them come before the connection breaks.
fn part(bytes: &[u8], from: usize, sent: usize) -> Vec<u8> {
    let (all, rest) = (bytes.len(), bytes.len() - from);
    let status = match from {
        0 => "200 OK".to_owned(),
        _ => format!("206 Partial Content\r\ncontent-range: bytes {from}-{}/{all}", all - 1),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {rest}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), &bytes[from..from + sent.min(rest)]].concat()
}

/// A data set of one file.
fn set(bytes: &[u8], name: &'static str, holds: &'static [&'static str]) -> Fetched {
    let sum: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let archives = Box::leak(Box::new([Archive { name, md5: Box::leak(sum.into_boxed_str()), holds }]));
    Fetched { name: "some", folder: "some", from: "", archives }
}

fn get(set: &Fetched, server: &Server, place: &Path) -> Result<(), Failure> {
    set.get(&server.address, place, &mut |_, _, _| {})
}

/// 300 kB that do not repeat.
fn bytes() -> Vec<u8> {
    (0u32..75_000).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries.map(|e| e.expect("readable").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn redirects_are_followed_and_tell_how_far_they_come() {
    let whole = bytes();
    let sent = whole.clone();
    let server = Server::start(move |_, asked| match asked.path.as_str() {
        "/sets/some.bin" => redirect("/mirror/1"),
        "/mirror/1" => redirect("/mirror/2/some.bin"),
        _ => part(&sent, 0, usize::MAX),
    });
    let place = tempfile::tempdir().expect("a folder");
    let mut last = (0, None);
    let told = &mut |_: &str, done, all| last = (done, all);
    set(&whole, "some.bin", &[]).get(&server.address, place.path(), told).expect("it comes");
    assert_eq!(last, (300_000, Some(300_000)));
    assert_eq!(fs::read(place.path().join("some.bin")).expect("readable"), whole);
    assert_eq!((names(place.path()), server.asked().len()), (vec!["some.bin".to_owned()], 3));
    // Round in a circle.
    let server = Server::start(|_, _| redirect("/sets/some.bin"));
    let refused = get(&set(&whole, "some.bin", &[]), &server, place.path()).expect_err("it leads nowhere");
    assert_eq!(refused.code, codes::CANNOT_READ, "{refused}");
}

#[test]
fn what_breaks_off_goes_on_where_it_ended() {
    let whole = bytes();
    let sent = whole.clone();
    let server = Server::start(move |_, asked| part(&sent, asked.from.unwrap_or(0), 120_000));
    let place = tempfile::tempdir().expect("a folder");
    get(&set(&whole, "some.bin", &[]), &server, place.path()).expect("it comes in parts");
    assert_eq!(fs::read(place.path().join("some.bin")).expect("readable"), whole);
    let from: Vec<_> = server.asked().into_iter().map(|asked| asked.from).collect();
    assert_eq!(from, [None, Some(120_000), Some(240_000)]);
    assert_eq!(names(place.path()), ["some.bin"]);
}

#[test]
fn a_server_that_knows_no_parts_sends_all_of_it_again() {
    let whole = bytes();
    let sent = whole.clone();
    let server = Server::start(move |number, _| part(&sent, 0, if number == 0 { 100_000 } else { usize::MAX }));
    let place = tempfile::tempdir().expect("a folder");
    get(&set(&whole, "some.bin", &[]), &server, place.path()).expect("it comes");
    assert_eq!(fs::read(place.path().join("some.bin")).expect("readable"), whole);
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn what_breaks_off_for_good_stays_for_the_next_call() {
    let whole = bytes();
    let sent = whole.clone();
    let server = Server::start(move |number, asked| match (number, asked.from) {
        (0, None) => part(&sent, 0, 100_000),
        (1, _) => status("503 Service Unavailable"),
        (_, from) => part(&sent, from.unwrap_or(0), usize::MAX),
    });
    let place = tempfile::tempdir().expect("a folder");
    let set = set(&whole, "some.bin", &[]);
    let broken = get(&set, &server, place.path()).expect_err("the server fails");
    assert!(broken.code == codes::CANNOT_READ && broken.message.contains("503"), "{broken}");
    assert_eq!(names(place.path()), ["some.bin.partial"]);
    get(&set, &server, place.path()).expect("it comes");
    assert_eq!(server.asked()[2].from, Some(100_000));
    assert_eq!(fs::read(place.path().join("some.bin")).expect("readable"), whole);
    assert_eq!(names(place.path()), ["some.bin"]);
}

#[test]
fn what_is_left_of_another_file_is_not_believed() {
    let whole = bytes();
    for left in [vec![7; 5_000], vec![7; 400_000], [&whole[..], b"more"].concat()] {
        let sent = whole.clone();
        let server = Server::start(move |_, asked| match asked.from {
            Some(from) if from >= sent.len() => status("416 Range Not Satisfiable"),
            from => part(&sent, from.unwrap_or(0), usize::MAX),
        });
        let place = tempfile::tempdir().expect("a folder");
        fs::write(place.path().join("some.bin.partial"), left).expect("writable");
        get(&set(&whole, "some.bin", &[]), &server, place.path()).expect("it comes");
        assert_eq!(fs::read(place.path().join("some.bin")).expect("readable"), whole);
        assert_eq!(names(place.path()), ["some.bin"]);
    }
}

#[test]
fn another_file_is_refused_and_leaves_what_was_there() {
    let whole = bytes();
    let sent = whole[1..].to_vec();
    let server = Server::start(move |_, asked| part(&sent, asked.from.unwrap_or(0), usize::MAX));
    let place = tempfile::tempdir().expect("a folder");
    fs::write(place.path().join("some.bin"), b"before").expect("writable");
    let refused = get(&set(&whole, "some.bin", &[]), &server, place.path()).expect_err("another file");
    assert!(refused.code == codes::DATA_DAMAGED && refused.message.contains("of 299999 bytes"), "{refused}");
    assert_eq!(names(place.path()), ["some.bin"]);
    assert_eq!(fs::read(place.path().join("some.bin")).expect("readable"), b"before");
    let server = Server::start(|_, _| status("404 Not Found"));
    let missing = get(&set(&whole, "some.bin", &[]), &server, place.path()).expect_err("nothing is there");
    assert!(missing.message.contains("404") && missing.help.contains("--from"), "{missing}");
    assert_eq!(server.asked().len(), 1, "what is not there is asked for once");
}

/// An archive with the files of these names.
fn archive(names: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for name in names {
        let mut header = tar::Header::new_gnu();
        header.set_size(name.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("sets/{name}"), name.as_bytes()).expect("memory takes it");
    }
    tar.into_inner().and_then(GzEncoder::finish).expect("memory takes it")
}

#[test]
fn an_archive_gives_the_files_that_it_is_known_for() {
    let whole = archive(&["a.bin", "other", "b.bin"]);
    let sent = whole.clone();
    let server = Server::start(move |_, _| part(&sent, 0, usize::MAX));
    let place = tempfile::tempdir().expect("a folder");
    get(&set(&whole, "some.tar.gz", &["a.bin", "b.bin"]), &server, place.path()).expect("it comes");
    assert_eq!(names(place.path()), ["a.bin", "b.bin"]);
    assert_eq!(fs::read(place.path().join("b.bin")).expect("readable"), b"b.bin");
    let lacking = get(&set(&whole, "some.tar.gz", &["c.bin"]), &server, place.path()).expect_err("it has no c");
    assert!(lacking.message.contains("it does not hold c.bin"), "{lacking}");
    assert_eq!(names(place.path()), ["a.bin", "b.bin"]);
}

/// Linux's limit on the size of files stands in for a disk that is full: the call fails in the same place.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_takes_no_more_is_told_and_nothing_is_left() {
    let whole = bytes();
    let server = Server::start(move |_, asked| part(&whole, asked.from.unwrap_or(0), usize::MAX));
    let place = tempfile::tempdir().expect("a folder");
    // 64 blocks of 1,024 bytes.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" data get cifar10 --from \"$1\" --to \"$2\"";
    let sdc = env!("CARGO_BIN_EXE_sdc");
    let out = Command::new("bash").args(["-c", script, sdc, &server.address]).arg(place.path()).output();
    let out = out.expect("there is a shell");
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && told.contains("SD0902"), "{told}");
    assert!(told.contains("cifar-10-binary.tar.gz.partial cannot be written"), "{told}");
    assert_eq!(names(place.path()), Vec::<String>::new());
}
